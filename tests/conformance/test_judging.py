"""The judges are heard right: what fails is told, what is missing is an error, what is written follows the code."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from argosy.api.http.bodies import Disposition, FieldFact
from tests.conformance.expectation import expected
from tests.conformance.judges import checking
from tests.conformance.judging import CHAT, EVERY_JUDGE, JUDGES, Court, Judge, Verdict, demand
from tests.conformance.official import Outcomes, TestName
from tests.conformance.test_written_conformance import every_route
from tests.conformance.written_conformance import document


def check_good(root: str) -> None:
    assert root == "http://here"


def check_bad(root: str) -> None:
    raise ValueError(f"nothing at {root}")


async def check_later(root: str) -> None:
    await checking.arefused(_broken, "wrong", "word")


def check_meant(root: str) -> None:
    raise checking.Differs("on purpose")


def check_lenient(root: str) -> None:
    checking.refused(lambda: "fine")


def check_mute(root: str) -> None:
    checking.refused(lambda: check_bad(root), "word that is not said")


async def _broken() -> None:
    raise KeyError("wrong word")


def test_each_check_says_what_came_of_it(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line each, in order; only what is meant counts as a difference."""
    monkeypatch.setattr(sys, "argv", ["judge", "http://here"])
    judge = ModuleType("judge")
    for check in (check_good, check_bad, check_later, check_meant, check_lenient, check_mute):
        setattr(judge, check.__name__, check)
    checking.main(judge)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["name"], line["outcome"]) for line in lines] == [
        ("check_good", "passes"),
        ("check_bad", "fails"),
        ("check_later", "passes"),
        ("check_meant", "differs"),
        ("check_lenient", "fails"),
        ("check_mute", "fails"),
    ]
    assert lines[1]["detail"].startswith("ValueError: nothing at http://here")
    assert lines[3]["detail"] == "on purpose"


def test_a_check_that_never_ends_is_ended(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """And fails; the next ones are heard."""
    monkeypatch.setattr(checking, "SECONDS", 1)
    monkeypatch.setattr(sys, "argv", ["judge", "http://here"])
    judge = ModuleType("judge")
    judge.check_endless = lambda _: [None for _ in iter(int, 1)]
    judge.check_good = check_good
    checking.main(judge)
    outcomes = [json.loads(line)["outcome"] for line in capsys.readouterr().out.splitlines()]
    assert outcomes == ["fails", "passes"]


@pytest.mark.parametrize("judge", EVERY_JUDGE, ids=lambda judge: judge.module)
def test_every_judge_can_be_read_without_its_client(judge: Judge) -> None:
    """Its checks have a sentence each, no two the same, and its client is locked."""
    checks = judge.checks()
    assert checks
    assert all(sentence.endswith(".") for sentence in checks.values())
    assert len(set(checks.values())) == len(checks)
    assert judge.version[0].isdigit()


def test_no_judge_is_forgotten() -> None:
    """Every program is in the list."""
    programs = {path.stem for path in JUDGES.glob("*.py")} - {"__init__", "checking"}
    assert programs == {judge.module for judge in EVERY_JUDGE}


def test_a_judge_that_is_not_installed_is_an_error(tmp_path: Path) -> None:
    """Never a skip; the message says what to run."""
    missing = Judge("langchain_chat", "nowhere", CHAT.client, "chat")
    with pytest.raises(FileNotFoundError, match="make judges"):
        Court("http://here", tmp_path).verdict(missing, "check_invoke")


def test_what_fails_is_demanded() -> None:
    """What passes, or differs on purpose, is not."""
    demand(Verdict("passes"))
    demand(Verdict("differs", "on purpose"))
    with pytest.raises(AssertionError, match="nothing at"):
        demand(Verdict("fails", "nothing at"))


async def test_the_page_tells_of_fields_as_their_routes_do(tmp_path: Path) -> None:
    """Supported, refused with its reason, depending on the engine, ignored; for every route with a body."""
    routes, documentation = await every_route(tmp_path / "gateway")
    found = {spec.path: {fact.name: fact for fact in spec.fields} for spec in routes}
    chat = found["/v1/chat/completions"]
    assert chat["messages"].disposition is Disposition.SUPPORTED
    assert chat["min_p"].disposition is Disposition.DEPENDS
    assert chat["store"].disposition is Disposition.IGNORED
    assert chat["best_of"].disposition is Disposition.REFUSED
    assert chat["structured_outputs.structural_tag"].disposition is Disposition.REFUSED
    assert found["/v1/embeddings"]["modality"].disposition is Disposition.REFUSED
    assert found["/v2/repository/index"].keys() == {"ready"}
    page = document(
        routes,
        documentation,
        {"ModelInfer": True, "TraceSetting": False},
        [(CHAT, {"check_invoke": Verdict("fails")})],
        {TestName("test_openai_client", "test_chat"): Verdict("passes")},
    )
    assert f"| `best_of` | refused | {chat['best_of'].note} |" in page
    assert "| An answer has text, role, token counts and a reason to end. | fails |" in page
    assert "| chat | Message, reason and usage are where the client looks for them. | passes |" in page
    assert "| chat streamed | The deltas join to the answer. | not heard |" in page
    assert "UNIMPLEMENTED, for the reasons above: `TraceSetting`." in page
    assert "| `GET /openapi.json` |" in page


def test_one_failure_among_a_tests_parameters_or_phases_is_its_outcome() -> None:
    """Whatever comes before and after; a test that is skipped has not passed."""
    test, other = TestName("module", "test_it"), TestName("module", "test_that")
    outcomes = Outcomes()
    for outcome in ("passed", "failed", "passed"):
        outcomes.note(test, outcome)
    for outcome in ("passed", "skipped"):
        outcomes.note(other, outcome)
    found = outcomes.of([test, other, TestName("module", "test_more")])
    assert {test: verdict.outcome for test, verdict in found.items()} == {test: "fails", other: "fails"}


FACTS = (
    FieldFact("a", Disposition.SUPPORTED),
    FieldFact("b", Disposition.DEPENDS),
    FieldFact("b.c", Disposition.DEPENDS),
    FieldFact("d", Disposition.REFUSED),
    FieldFact("d.e*", Disposition.REFUSED),
    FieldFact("f[].g", Disposition.IGNORED),
)


@pytest.mark.parametrize(
    ("body", "lacking", "refused", "ignored"),
    [
        ({"a": 1, "b": {"c": 1}}, "", set(), set()),
        ({"a": 1, "b": {"c": 1}}, "b.c", {"b.c"}, set()),
        ({"a": 1, "d": {}}, "", {"d"}, set()),
        ({"d": {"end": 1}}, "", {"d.e*"}, set()),
        ({"f": [{"h": 1}, {"g": 1}], "d": None}, "", set(), {"f[].g"}),
    ],
)
def test_what_comes_of_a_request_follows_from_its_fields(
    body: dict[str, object], lacking: str, refused: set[str], ignored: set[str]
) -> None:
    """What is inside of a refused field counts in its stead; null is nothing."""
    meant = expected(body, FACTS, lacking)
    assert (meant.refused, meant.ignored) == (refused, ignored)
