"""The report as a page and as data."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import orjson
import pytest

from argosy.analysis.goal import Goal
from argosy.analysis.report.document import Report
from argosy.analysis.report.page import render
from argosy.analysis.space import Space
from argosy.core.models import ModelSpec, Task
from tests.suites.landscapes import level, trial

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """Collects what the tests ask for, and checks that every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [str(value) for name, value in attrs if name in {"src", "href", "srcset"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Closed as it is opened."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def report() -> Report:
    """Three configurations: the current one, a better one, and one that does not load."""
    return Report(
        spec=ModelSpec(name="tiny", task=Task.TENSOR, engine="echo"),
        goal=Goal(p99_ms=100),
        space=Space.of({"instances": [1, 2, 4]}),
        concurrencies=(1, 16),
        trials=(
            trial(1, level(1, 50, 10), level(16, 100, 60), current=True, instances=1),
            trial(2, level(1, 50, 11), level(16, 180, 80), instances=2),
            trial(3, failure="It does not load: <no> memory", instances=4),
        ),
        config='name: "tiny"',
        host={"machine": "a processor", "precisions": ["f32"]},
        command="argosy analyze tiny --resume --apply",
        made=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    )


def test_the_page_loads_nothing(report: Report) -> None:
    """Style and drawings are inside; it can be mailed and opened anywhere."""
    text = render(report)
    assert Page(text).loads == []
    assert "@import" not in text
    assert "url(" not in text


def test_the_page_follows_light_and_dark_and_fits_a_phone(report: Report) -> None:
    """By what browsers ask for."""
    text = render(report)
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text


def test_the_page_says_what_was_found(report: Report) -> None:
    """The verdict, both configurations, why one failed, and how to apply."""
    text = Page(render(report)).text
    assert report.verdict() in text
    assert "80% more throughput than the current config" in text
    assert "It does not load: <no> memory" in text
    assert "argosy analyze tiny --resume --apply" in text


def test_every_point_is_drawn_once(report: Report) -> None:
    """The drawing is well-formed, has a mark for each level, the best and the current one among them."""
    drawing = re.search(r"<svg.*?</svg>", render(report), re.DOTALL)
    assert drawing is not None
    marks = [element for element in ET.fromstring(drawing[0]).iter() if "mark" in element.get("class", "")]  # noqa: S314
    kinds = sorted(element.get("class", "") for element in marks)
    assert kinds == ["mark best", "mark current", "mark current", "mark point"]


def test_a_search_that_found_nothing_has_a_page_too(report: Report) -> None:
    """It says by how much the nearest misses."""
    hopeless = replace(report, goal=Goal(min_throughput=360), config="")
    assert "The nearest misses them by 100%" in Page(render(hopeless)).text
    failed = replace(report, trials=(trial(1, failure="no weights", current=True, instances=1),), config="")
    assert "No configuration could be measured" in Page(render(failed)).text


def test_the_data_is_json(report: Report) -> None:
    """With the chosen trial, the gain, and figures that do not exist as null."""
    data = orjson.loads(orjson.dumps(report.to_mapping()))
    assert data["best"]["trial"] == 2
    assert data["gain"] == pytest.approx(0.8)
    assert data["failed"] == 1
    assert data["applied"] is None
    assert {"trial": 2, "concurrency": 16} in data["pareto"]
