from __future__ import annotations

from tritonclient.grpc import model_config_pb2
from tritonclient.grpc import service_pb2 as pb

from argosy.runtime.inspection import metadata_of, plain


def test_long_numbers_are_numbers() -> None:
    """64-bit integers, alone, in lists, in messages and in maps, are numbers and not text."""
    message = pb.ModelStatisticsResponse()
    model = message.model_stats.add(name="m", version="1", inference_count=1 << 60)
    model.inference_stats.success.ns = 5
    model.response_stats["0"].success.count = 7
    found = plain(message)["model_stats"][0]
    assert found["inference_count"] == 1 << 60
    assert found["inference_stats"]["success"] == {"count": 0, "ns": 5}
    assert found["response_stats"]["0"]["success"]["count"] == 7


def test_names_and_defaults_are_kept() -> None:
    """Fields have the names of `config.pbtxt`, and those without a value are there."""
    config = model_config_pb2.ModelConfig(name="m")
    config.input.add(name="x", data_type=model_config_pb2.TYPE_FP32, dims=[-1, 2])
    found = plain(config)
    assert found["max_batch_size"] == 0
    assert found["input"][0]["dims"] == [-1, 2]
    assert found["input"][0]["data_type"] == "TYPE_FP32"


def test_metadata_shows_the_batch() -> None:
    """A model with batches has its batch dimension in every shape."""
    config = model_config_pb2.ModelConfig(name="m", backend="python", max_batch_size=4)
    config.input.add(name="x", data_type=model_config_pb2.TYPE_STRING, dims=[2])
    found = metadata_of(config, [1, 3])
    assert found["versions"] == ["1", "3"]
    assert found["platform"] == "python"
    assert found["inputs"] == [{"name": "x", "datatype": "BYTES", "shape": [-1, 2]}]
    assert found["outputs"] == []
