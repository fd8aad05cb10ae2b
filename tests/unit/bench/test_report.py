import datetime as dt
import io
import json

import pytest
from rich.console import Console

from bench.measurement import Measurement, at_least
from bench.report import Report, markdown, show, value_text, write

MET = Measurement(
    "embeddings 64 x 1", 0.71, "x", at_least(0.6), "wrk posts sentences.", {"raw/s": 1341.2, "hint": "a|b"}
)
MISSED = Measurement("batching", 2.0, "x", at_least(3.5), "on and off in turn.")


@pytest.fixture
def report() -> Report:
    return Report(
        title="Argosy, measured",
        when=dt.datetime(2026, 11, 20, 9, 30, tzinfo=dt.UTC),
        commit="abc1234567+",
        machine={"processor": "a CPU", "cores": "2"},
        versions={"openvino": "2026.4.1"},
        options={"seconds": 8.0},
        measurements=[MET, MISSED],
        failures={"chat": "ServeFailed: no\nmore lines"},
    )


def test_missed_lists_what_kept_no_bar(report: Report) -> None:
    """Only figures below their bar are missed."""
    assert report.missed == [MISSED]


def test_files_are_named_after_day_and_commit(report: Report, tmp_path) -> None:
    """A commit with local changes is named so, and the suffix keeps kinds of run apart."""
    as_json, as_markdown = write(report, tmp_path / "results", "-peers")
    assert as_json.name == "2026-11-20-abc1234567-changed-peers.json"
    assert as_markdown.name == "2026-11-20-abc1234567-changed-peers.md"


def test_json_holds_everything(report: Report, tmp_path) -> None:
    """The JSON file can be read back with hardware, versions, commit, figures and failures."""
    as_json, _ = write(report, tmp_path)
    data = json.loads(as_json.read_text(encoding="utf-8"))
    assert data["commit"] == "abc1234567+"
    assert data["machine"]["cores"] == "2"
    assert [item["met"] for item in data["measurements"]] == [True, False]
    assert data["failures"] == {"chat": "ServeFailed: no\nmore lines"}


def test_markdown_has_a_row_and_a_method_for_each_figure(report: Report) -> None:
    """The page shows each verdict, says how to repeat it, and keeps cells from breaking the table."""
    page = markdown(report)
    assert "| embeddings 64 x 1 | 0.71x | >= 0.6 | met | raw/s 1,341, hint a\\|b |" in page
    assert "| batching | 2x | >= 3.5 | MISSED |  |" in page
    assert "- **batching**: on and off in turn." in page
    assert "No figures for chat: ServeFailed: no\n" in page


def test_table_shows_verdicts_and_failures(report: Report) -> None:
    """The terminal shows the same, and says which measurement has no figures."""
    output = io.StringIO()
    show(report, Console(file=output, width=200, force_terminal=False))
    text = output.getvalue()
    assert "MISSED" in text
    assert "processor a CPU; cores 2" in text
    assert "chat has no figures: ServeFailed: no" in text


@pytest.mark.parametrize(
    ("value", "unit", "text"), [(0.7134, "x", "0.713x"), (2634.2, "req/s", "2,634 req/s"), (2.5, "ms", "2.5 ms")]
)
def test_value_text(value: float, unit: str, text: str) -> None:
    """Values have three digits; large ones are whole."""
    assert value_text(Measurement("a", value, unit, None, "")) == text
