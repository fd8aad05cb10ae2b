"""The engine's options come from the strings of `config.pbtxt`."""

from __future__ import annotations

import pytest

from argosy.core.errors import InvalidModelEntry
from argosy.engines.openvino_genai.options import PipelineOptions, parse


def test_nothing_given_means_the_defaults() -> None:
    """Parameters of other parts of the system are none of ours."""
    assert parse({"threads": "4", "FORCE_CPU_ONLY_INPUT_TENSORS": "yes"}) == PipelineOptions()


def test_every_option_can_be_given() -> None:
    """Each option is read from the parameter of its name."""
    given = {
        "kv_cache_gib": "3",
        "max_num_seqs": "8",
        "max_num_batched_tokens": "512",
        "dynamic_split_fuse": "false",
        "enable_prefix_caching": "false",
        "kv_cache_precision": "f16",
        "start_timeout_s": "30",
        "grammar_budget_ms": "100",
    }
    assert set(given) == set(PipelineOptions.__slots__)
    assert parse(given) == PipelineOptions(3, 8, 512, False, False, "f16", 30, 100)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kv_cache_gib", "0"),
        ("kv_cache_gib", "1.5"),
        ("max_num_seqs", "-1"),
        ("max_num_batched_tokens", "many"),
        ("dynamic_split_fuse", "yes"),
        ("kv_cache_precision", "int4"),
        ("start_timeout_s", ""),
        ("grammar_budget_ms", "0"),
    ],
)
def test_names_a_value_that_cannot_be_used(key: str, value: str) -> None:
    """A wrong value is `InvalidModelEntry` with the parameter's name and what to write."""
    with pytest.raises(InvalidModelEntry, match=rf"'{key}'.*write"):
        parse({key: value})


@pytest.mark.parametrize(
    ("given", "answers", "tokens"),
    [
        ({"max_num_seqs": "512"}, 512, 512),
        ({"max_num_seqs": "512", "max_num_batched_tokens": "128"}, 512, 512),
        ({"max_num_batched_tokens": "32"}, 32, 32),
        ({"max_num_seqs": "8", "max_num_batched_tokens": "32"}, 8, 32),
    ],
)
def test_a_pass_has_a_token_for_each_answer(given: dict[str, str], answers: int, tokens: int) -> None:
    """Else the library would load nothing; what was said of answers counts, what was not gives way."""
    options = parse(given)
    assert (options.max_num_seqs, options.max_num_batched_tokens) == (answers, tokens)


@pytest.mark.parametrize(("text", "expected"), [("true", True), ("false", False)])
def test_chunked_prefill_is_another_name_that_wins(text: str, expected: bool) -> None:
    """An operator's word over the entry's."""
    assert parse({"enable_chunked_prefill": text, "dynamic_split_fuse": "true"}).dynamic_split_fuse is expected
    with pytest.raises(InvalidModelEntry, match="'enable_chunked_prefill'"):
        parse({"enable_chunked_prefill": "perhaps"})
