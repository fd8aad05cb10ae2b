"""Where values come from beside variables: the passthrough arguments, converted aliases, and what is shadowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from argosy.core.errors import InvalidSetting
from argosy.settings import Loaded, load


def passthrough(arguments: str, tmp_path: Path, **variables: str) -> Loaded:
    return load({}, {"NIM_PASSTHROUGH_ARGS": arguments, **variables}, tmp_path)


def test_passthrough_stands_between_the_command_line_and_the_environment(tmp_path: Path) -> None:
    """NIM's order; the origin names the argument."""
    (tmp_path / "argosy.toml").write_text("max_model_len = 1\n")
    loaded = passthrough("--max-model-len 2048", tmp_path, ARGOSY_MAX_MODEL_LEN="3", NIM_MAX_MODEL_LEN="4")
    assert loaded.settings.max_model_len == 2048
    assert loaded.origins["max_model_len"] == "NIM_PASSTHROUGH_ARGS --max-model-len"
    environment = {"NIM_PASSTHROUGH_ARGS": "--max-model-len 2048"}
    assert load({"max_model_len": 5}, environment, tmp_path).settings.max_model_len == 5


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        ("--port=9000", "port", 9000),
        ("--gpu-memory-utilization 0.5", "gpu_memory_utilization", 0.5),
        ("--tensor-parallel-size 2 --tp-size 4", "tensor_parallel_size", 4),
        ("--enable-chunked-prefill", "chunked_prefill", True),
        ("--no-enable-chunked-prefill", "chunked_prefill", False),
        ("--no-log-requests --port 1", "log_requests", False),
        ("--enable-prefix-caching false", "kv_cache_reuse", False),
        ("--served-model-name 'a model,b'", "served_model_name", ("a model", "b")),
    ],
)
def test_passthrough_takes_our_flags_and_the_engines_names(
    arguments: str, name: str, value: object, tmp_path: Path
) -> None:
    """Both spellings of a value, switches, and as on a command line the last one counts."""
    assert getattr(passthrough(arguments, tmp_path).settings, name) == value


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--max-modle-len 1", "--max-model-len"),
        ("--trust-remote-code", "not known"),
        ("--port", "needs a value"),
        ("9000", "no argument"),
        ("--port '1", "cannot be split"),
        ("--port many", "whole number"),
        ("--enable-chunked-prefill=maybe", "switch"),
        ("--no-log-requests=true", "switch"),
        ("--no-port 1", "not known"),
    ],
)
def test_passthrough_that_cannot_be_used_is_refused(arguments: str, message: str, tmp_path: Path) -> None:
    """As an engine's command line would."""
    with pytest.raises(InvalidSetting, match="NIM_PASSTHROUGH_ARGS") as caught:
        passthrough(arguments, tmp_path)
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("environment", "name", "value"),
    [
        ({"NIM_BIND_ADDR": "0.0.0.0:9000"}, "host", "0.0.0.0"),
        ({"NIM_BIND_ADDR": "0.0.0.0:9000"}, "port", 9000),
        ({"NIM_SERVER_BIND_ADDR": "[::1]:9000"}, "host", "::1"),
        ({"NIM_DISABLE_LOG_REQUESTS": "1"}, "log_requests", False),
        ({"NIM_DISABLE_LOG_REQUESTS": "0"}, "log_requests", True),
        ({"NIM_MAX_WAIT_MS": "1.5"}, "max_queue_delay", 1500),
        ({"NIM_TRITON_DYNAMIC_BATCHING_MAX_QUEUE_DELAY_MICROSECONDS": "100"}, "max_queue_delay", 100),
        ({"NIM_KVCACHE_PERCENT": "0.9"}, "gpu_memory_utilization", 0.9),
        ({"NIM_GPU_MEM_FRACTION": "0.8"}, "gpu_memory_utilization", 0.8),
        ({"NIM_GPU_MEMORY_UTILIZATION": "0.7"}, "gpu_memory_utilization", 0.7),
        ({"NIM_PIPELINE_MAX_BATCH_SIZE": "3"}, "max_batch_size", 3),
        ({"NIM_TRITON_MAX_BATCH_SIZE": "4"}, "max_batch_size", 4),
        ({"NIM_MAX_BATCH_SIZE": "5"}, "max_batch_size", 5),
        ({"NIM_KV_CACHE_PRECISION": "float16"}, "kv_cache_precision", "f16"),
        ({"LOG_FORMAT": "text"}, "log_format", "console"),
        ({"NIM_JSONL_LOGGING": "0"}, "log_format", "console"),
    ],
)
def test_a_value_in_another_form_is_converted(
    environment: dict[str, str], name: str, value: object, tmp_path: Path
) -> None:
    """host:port, the opposite switch, milliseconds, and several names of one thing."""
    assert getattr(load({}, environment, tmp_path).settings, name) == value


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("NIM_BIND_ADDR", "0.0.0.0", "host:port"),
        ("NIM_BIND_ADDR", "0.0.0.0:many", "whole number"),
        ("NIM_MAX_WAIT_MS", "soon", "milliseconds"),
        ("NIM_MAX_WAIT_MS", "-1", "0 to 10000"),
        ("NIM_KVCACHE_PERCENT", "90", "0 to 1"),
        ("NIM_KVCACHE_PERCENT", "0", "above 0"),
        ("NIM_KVCACHE_PERCENT", "nan", "0 to 1"),
    ],
)
def test_a_value_in_another_form_that_cannot_be_used_is_refused(
    variable: str, value: str, message: str, tmp_path: Path
) -> None:
    """By the name of the variable it stands in."""
    with pytest.raises(InvalidSetting, match=message) as caught:
        load({}, {variable: value}, tmp_path)
    assert variable in caught.value.message


def test_what_is_shadowed_is_on_record(tmp_path: Path) -> None:
    """Each value that does not count, with where it stands; a warning where it says something else."""
    environment = {"NIM_GPU_MEM_FRACTION": "0.8", "NIM_GPU_MEMORY_UTILIZATION": "0.8", "NIM_KVCACHE_PERCENT": "0.9"}
    loaded = load({}, environment, tmp_path)
    row = next(row for row in loaded.rows() if row["name"] == "gpu_memory_utilization")
    assert row["origin"] == "NIM_GPU_MEM_FRACTION"
    assert row["shadowed"] == [
        {"origin": "NIM_GPU_MEMORY_UTILIZATION", "value": "0.8"},
        {"origin": "NIM_KVCACHE_PERCENT", "value": "0.9"},
    ]
    assert loaded.warnings == ("NIM_KVCACHE_PERCENT is shadowed by NIM_GPU_MEM_FRACTION.",)


def test_a_shadowed_value_may_be_unusable(tmp_path: Path) -> None:
    """It does not count, so it stops nothing."""
    loaded = load({"port": 9000}, {"NIM_SERVER_PORT": "eighty"}, tmp_path)
    assert loaded.settings.port == 9000
    assert "eighty" in loaded.shadowed["port"][0][1]


def test_a_shadowed_secret_stays_hidden(tmp_path: Path) -> None:
    """The record of what does not count holds no key either."""
    (tmp_path / "argosy.toml").write_text('api_keys = ["hush-one"]\n')
    loaded = load({}, {"ARGOSY_API_KEYS": "hush-two"}, tmp_path)
    assert "hush" not in str(loaded.rows()) + str(loaded.warnings)


def test_a_list_in_the_file_is_read_as_what_the_setting_takes(tmp_path: Path) -> None:
    """Folders and words alike."""
    (tmp_path / "argosy.toml").write_text('model_store = ["/a", "/b"]\nmodels = ["x", "y"]\n')
    settings = load({}, {}, tmp_path).settings
    assert settings.model_store == (Path("/a"), Path("/b"))
    assert settings.models == ("x", "y")
