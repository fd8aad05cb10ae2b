"""What an operator may write for a profile."""

from __future__ import annotations

import pytest

from argosy.core.errors import InvalidSetting
from argosy.server.profiles.find import find
from argosy.server.profiles.wish import narrow, parse, unknown
from tests.suites.hosts import DATA

SMALL = find(str(DATA / "models" / "llama-1b"), ())
FIRST = next(iter(SMALL))


@pytest.mark.parametrize("text", ["", "default", "DEFAULT", "auto", "  "])
def test_nothing_in_particular_leaves_the_choice_to_the_machine(text: str) -> None:
    """NIM's word for it is `default`."""
    assert parse(text).automatic
    assert len(narrow(SMALL, parse(text))) == len(SMALL)


@pytest.mark.parametrize("text", [FIRST.id, FIRST.id.upper(), FIRST.name, f" {FIRST.name} "])
def test_a_profile_is_named_by_its_id_or_name(text: str) -> None:
    """In any case."""
    assert [profile.id for profile in narrow(SMALL, parse(text))] == [FIRST.id]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("engine=openvino_genai,precision=int8", ["openvino_genai-int8"]),
        ("llm_engine=vllm, tp=2, precision=FP8", ["vllm-fp8-tp2-pp1-latency"]),
        ("engine=tensorrt_llm,tp=1", ["tensorrt_llm-bf16-tp1-pp1-throughput"]),
        ("engine=none", []),
        ("no_such_tag=1", []),
    ],
)
def test_tags_select_every_profile_that_has_them(text: str, names: list[str]) -> None:
    """`NIM_TAGS_SELECTOR`'s form."""
    assert [profile.name for profile in narrow(SMALL, parse(text))] == names


@pytest.mark.parametrize("text", ["=fp8", "precision=", "precision=fp8,,", "a=1,b"])
def test_a_selector_without_name_or_value_is_refused(text: str) -> None:
    """It cannot mean anything."""
    with pytest.raises(InvalidSetting, match="key=value"):
        parse(text)


def test_an_unknown_profile_lists_what_there_is() -> None:
    """With a guess at what was meant."""
    message = unknown(parse("openvino-genai-int8"), [SMALL]).message
    assert "No profile is 'openvino-genai-int8'" in message
    assert "Did you mean openvino_genai-int8?" in message
    assert f"{FIRST.name} ({FIRST.id[:12]}…)" in message
    assert f"and {len(SMALL) - 20} more" in message
