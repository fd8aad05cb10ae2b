"""The explanation for five described machines, word for word, and the tables in the documentation.

`ARGOSY_WRITE_PROFILES=1` writes both anew; what changed is then to be read before it is kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from argosy.server.profiles import explain
from argosy.server.profiles.find import find
from argosy.server.profiles.select import select
from argosy.server.profiles.verdict import Bucket, Selection, Verdict
from tests.suites.hosts import DATA, DESCRIBED, described

GOLDEN = Path(__file__).parent / "golden"
PAGE = Path(__file__).parents[4] / "docs" / "profiles.md"
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
MODELS = ("llama-8b", "llama-1b", "bert-base")
TITLES = {
    "llama-8b": "A language model of 8 billion parameters (Llama 3.1's shape, bf16 files)",
    "llama-1b": "A language model of 1.2 billion parameters (Llama 3.2's shape, bf16 files)",
    "bert-base": "A text encoder of 109 million parameters (BERT's shape, fp32 files)",
}
WRITE = os.environ.get("ARGOSY_WRITE_PROFILES") == "1"


@pytest.mark.parametrize("name", DESCRIBED)
def test_the_explanation_for_a_described_machine_is_that_on_record(name: str) -> None:
    """Machine, choice, every profile with its memory or its reasons."""
    text = "\n".join(_explanation(name)) + "\n"
    file = GOLDEN / f"{name}.txt"
    if WRITE:
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    assert text == file.read_text()


def test_the_tables_in_the_documentation_are_current() -> None:
    """They are made from the same machines and models."""
    tables = "\n".join(_tables())
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    wanted = f"{before}{BEGIN}\n{tables}\n{END}{after}"
    if WRITE:
        PAGE.write_text(wanted)
    assert PAGE.read_text() == wanted


@pytest.mark.parametrize(
    ("machine", "model", "chosen"),
    [
        ("h100", "llama-8b", "tensorrt_llm-bf16-tp2-pp1-latency"),
        ("h100", "bert-base", "tensorrt-fp16"),
        ("t4", "llama-8b", "openvino_genai-int8"),
        ("t4", "llama-1b", "vllm-fp16-tp1-pp1-throughput"),
        ("laptop-8gb", "llama-1b", "vllm-fp8-tp1-pp1-throughput"),
        ("laptop-8gb", "bert-base", "torch-gpu-bf16"),
        ("arm-no-avx", "llama-8b", "openvino_genai-int8"),
        ("arm-no-avx", "bert-base", "openvino-int8"),
        ("this-machine", "llama-1b", "openvino_genai-int8"),
        ("this-machine", "bert-base", "openvino-int8"),
    ],
)
def test_a_described_machine_gets_the_profile_it_should(machine: str, model: str, chosen: str) -> None:
    """The order of engines, precisions and parallelism, seen from outside."""
    selection = _select(machine, model)
    assert selection.chosen is not None
    assert selection.chosen.profile.name == chosen


def _select(machine: str, model: str) -> Selection:
    return select(described(machine), find(str(DATA / "models" / model), ()))


def _explanation(machine: str) -> Iterator[str]:
    yield from explain.host_lines(described(machine))
    for model in MODELS:
        selection = _select(machine, model)
        yield ""
        yield f"{model}: {explain.why(selection)}"
        for verdict in selection.verdicts:
            yield f"  {explain.WORDS[verdict.bucket]}: {verdict.profile.name}: {explain.reasons(verdict)}"


def _tables() -> Iterator[str]:
    for model in MODELS:
        selections = {name: _select(name, model) for name in DESCRIBED}
        yield f"\n### {TITLES[model]}\n"
        yield f"| profile | {' | '.join(DESCRIBED)} |"
        yield f"|---|{'---|' * len(DESCRIBED)}"
        for profile in find(str(DATA / "models" / model), ()):
            cells = [_cell(selection, profile.id) for selection in selections.values()]
            yield f"| `{profile.name}` | {' | '.join(cells)} |"


def _cell(selection: Selection, identity: str) -> str:
    verdict = next(item for item in selection.verdicts if item.profile.id == identity)
    text = _short(verdict)
    return f"**chosen**: {text}" if verdict is selection.chosen else text


def _short(verdict: Verdict) -> str:
    found = verdict.demand
    if verdict.bucket is Bucket.COMPATIBLE and found is not None:
        runs = "runs" if verdict.profile.built else "runs once built"
        return f"{runs}, {found.needed / (1 << 30):.1f} of {found.usable_text} GiB"
    told = [f"needs {reason.needs.partition(' (')[0]}, has {reason.has}" for reason in verdict.reasons]
    hint = f"; runs with `--max-model-len {verdict.max_model_len}`" if verdict.bucket is Bucket.LOW_MEMORY else ""
    return "; ".join(told) + hint
