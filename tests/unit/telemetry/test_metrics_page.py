"""`docs/metrics.md` names every metric, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from argosy.telemetry.aliases import ALIASES, Throughput
from argosy.telemetry.metrics import TABLE

PAGE = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text(encoding="utf-8")


def test_every_metric_of_ours_has_its_row() -> None:
    """With kind, labels and meaning."""
    for family in TABLE:
        labels = ", ".join(f"`{label}`" for label in family.labels)
        assert f"| `{family.name}` | {family.kind.__name__.lower()} | {labels} | {family.text} |" in PAGE


def test_every_alias_has_its_row() -> None:
    """With its source, its labels and what a reader should know."""
    for alias in ALIASES:
        labels = ", ".join(f"`{label}`" for label in alias.labels.values())
        assert f"| `{alias.name}` | `{alias.source}` | {labels} | {alias.note} |" in PAGE


def test_no_row_is_left_over() -> None:
    """A name that is gone is not promised."""
    rows = set(re.findall(r"^\| `([a-z0-9_:]+)` \|", PAGE, re.MULTILINE))
    assert rows == {family.name for family in TABLE} | {alias.name for alias in ALIASES} | {Throughput.NAME}
