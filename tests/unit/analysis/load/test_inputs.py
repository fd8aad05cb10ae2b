"""What is sent to a model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from argosy.analysis.load.inputs import SAMPLING, from_file, made_up
from argosy.analysis.load.texts import Texts
from argosy.core.errors import InvalidSetting
from argosy.runtime.contract import InferRequest
from argosy.runtime.model_config import ModelConfig, ModelTensor, read_config
from argosy.server.artifacts.places import bundled_store
from argosy.store.entries import CONFIG_FILE, ModelEntry, read_entry
from tests.suites.echo_models import echo_anything

BUNDLED = ("abacus", "all-minilm-l6-v2", "minilm-reranker", "minilm-sentiment")


def model(name: str) -> tuple[ModelEntry, ModelConfig]:
    entry = read_entry(bundled_store() / name)
    return entry, read_config(entry.directory / CONFIG_FILE)


@pytest.mark.parametrize("name", BUNDLED)
@pytest.mark.parametrize("rows", [1, 8])
def test_made_up_inputs_are_what_the_model_takes(name: str, rows: int) -> None:
    """They pass the check that Triton makes, and the n-th is always the same."""
    entry, config = model(name)
    first, second = made_up(entry.spec, config, rows), made_up(entry.spec, config, rows)
    for number in (0, 1, 999):
        config.check(InferRequest(name, first.at(number)))
        assert {key: value.tolist() for key, value in first.at(number).items()} == {
            key: value.tolist() for key, value in second.at(number).items()
        }


def test_texts_have_natural_lengths() -> None:
    """Half are short, some are long, and none is over the limit."""
    lengths = sorted(len(Texts(longest=60).at(number).split()) for number in range(2000))
    assert 14 <= lengths[1000] <= 18
    assert lengths[100] < 10
    assert lengths[1900] > 35
    assert lengths[-1] <= 60


def test_texts_of_one_execution_differ() -> None:
    """An engine reads equal texts once, which would flatter it."""
    assert len({Texts(longest=100).at(number) for number in range(512)}) == 512


def test_query_and_passage_differ() -> None:
    """A pair of equal texts is read as one."""
    entry, config = model("minilm-reranker")
    sent = made_up(entry.spec, config, 2).at(3)
    texts = {text for tensor in sent.values() for text in tensor.ravel().tolist()}
    assert len(texts) == 4


def test_prompts_begin_differently_and_have_a_length() -> None:
    """No prefix cache answers, and every configuration makes the same number of tokens."""
    entry, config = model("abacus")
    inputs = made_up(entry.spec, config)
    sent = [inputs.at(number) for number in range(100)]
    assert len({item["text_input"][0].split()[0] for item in sent}) == 100
    samplings = [json.loads(item[SAMPLING][0]) for item in sent]
    assert all(item["ignore_eos"] and 16 <= item["max_tokens"] <= 64 for item in samplings)
    assert len({item["max_tokens"] for item in samplings}) > 10


def test_tensors_have_the_shapes_of_the_model(tmp_path: Path) -> None:
    """Free dimensions are 16, those of images 224; types are the model's."""
    spec = echo_anything(tmp_path).spec
    tensors = (
        ModelTensor("pixels", "FP32", (-1, 3, -1, -1)),
        ModelTensor("flags", "BOOL", (-1, 4)),
        ModelTensor("ids", "INT64", (-1, -1)),
        ModelTensor("words", "BYTES", (-1, 2)),
    )
    config = ModelConfig(tensors, (), max_batch_size=8)
    sent = made_up(spec, config, rows=2).at(0)
    config.check(InferRequest("anything", sent))
    assert sent["pixels"].shape == (2, 3, 224, 224)
    assert sent["ids"].shape == (2, 16)


def test_a_file_gives_rows_in_turn(tmp_path: Path) -> None:
    """An object, or a plain text for the only text input."""
    entry, config = model("all-minilm-l6-v2")
    path = tmp_path / "inputs.jsonl"
    path.write_text('{"text": "one"}\n\n"two"\n{"token_ids": [101, 7, 102]}\n')
    inputs = from_file(path, entry.spec, config)
    assert inputs.at(0)["text"].tolist() == [[b"one"]]
    assert inputs.at(4)["text"].tolist() == [[b"two"]]
    assert inputs.at(2)["token_ids"].tolist() == [[101, 7, 102]]
    assert inputs.at(2)["token_ids"].dtype == np.int32


def test_sampling_may_be_an_object(tmp_path: Path) -> None:
    """It travels as its JSON."""
    entry, config = model("abacus")
    path = tmp_path / "inputs.jsonl"
    path.write_text('{"text_input": "1 + 1", "sampling_parameters": {"max_tokens": 4}}\n')
    assert json.loads(from_file(path, entry.spec, config).at(0)[SAMPLING][0]) == {"max_tokens": 4}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 2 is not JSON"),
        ("7", "line 2 must be an object"),
        ('{"image": 1}', "line 2: the model has no input 'image'"),
        ('{"token_ids": "abc"}', "line 2: 'token_ids' must be INT32"),
        ('{"text": ["a", "b"]}', "line 2: The input 'text' has shape"),
    ],
)
def test_a_line_that_the_model_does_not_take_is_named(tmp_path: Path, line: str, words: str) -> None:
    """Before anything is started, with file and line."""
    entry, config = model("all-minilm-l6-v2")
    path = tmp_path / "inputs.jsonl"
    path.write_text(f'"fine"\n{line}\n')
    with pytest.raises(InvalidSetting, match=words):
        from_file(path, entry.spec, config)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    """There would be nothing to send."""
    entry, config = model("all-minilm-l6-v2")
    path = tmp_path / "inputs.jsonl"
    path.write_text("\n")
    with pytest.raises(InvalidSetting, match="no lines"):
        from_file(path, entry.spec, config)
