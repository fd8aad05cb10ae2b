"""Results as a table for people and as files for the record."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.context import Context
from bench.measurement import Measurement

_COLOURS = {"met": "green", "MISSED": "bold red", "-": "dim"}


@dataclass(frozen=True, slots=True)
class Report:
    """One run.

    Attributes:
        failures: measurement module to the reason why it has no figures.
    """

    title: str
    when: dt.datetime
    commit: str
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    options: Mapping[str, Any]
    measurements: Sequence[Measurement]
    failures: Mapping[str, str] = field(default_factory=dict)

    @property
    def missed(self) -> list[Measurement]:
        """Measurements whose bar was not kept."""
        return [item for item in self.measurements if item.met is False]

    @property
    def stem(self) -> str:
        """File name without its ending."""
        return f"{self.when:%Y-%m-%d}-{self.commit.replace('+', '-changed')}"

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "title": self.title,
            "when": self.when.isoformat(timespec="seconds"),
            "commit": self.commit,
            "machine": dict(self.machine),
            "versions": dict(self.versions),
            "options": dict(self.options),
            "measurements": [item.to_mapping() for item in self.measurements],
            "failures": dict(self.failures),
        }


def options(context: Context) -> dict[str, Any]:
    """How the run was asked for, for the record."""
    flags = " ".join(context.flags) or "none"
    return {"seconds a load": context.seconds, "rounds": context.rounds, "flags of argosy serve": flags}


def teller(console: Console) -> Callable[[str], None]:
    """A `Context.note` that prints lines with the time."""

    def note(text: str) -> None:
        console.print(f"{dt.datetime.now().astimezone():%H:%M:%S} {text}", style="dim", highlight=False, markup=False)

    return note


def show(report: Report, console: Console) -> None:
    """Print the table, the machine and what failed."""
    table = Table(title=report.title)
    for heading, side in (
        ("what", "left"),
        ("value", "right"),
        ("bar", "right"),
        ("verdict", "left"),
        ("figures", "left"),
    ):
        table.add_column(heading, justify=side, overflow="fold")  # type: ignore[arg-type]
    for item in report.measurements:
        colour = _COLOURS[item.verdict]
        table.add_row(item.name, value_text(item), bar_text(item), f"[{colour}]{item.verdict}[/]", details_text(item))
    console.print(table)
    for facts in (report.machine, report.versions):
        console.print("; ".join(f"{name} {value}" for name, value in facts.items()), style="dim", highlight=False)
    console.print(f"commit {report.commit}, {report.when:%Y-%m-%d %H:%M}", style="dim", highlight=False)
    for name, reason in report.failures.items():
        console.print(f"{name} has no figures: {reason}", style="bold red", highlight=False, markup=False)


def write(report: Report, directory: Path, suffix: str = "") -> tuple[Path, Path]:
    """Write `<date>-<commit><suffix>.json` and `.md`; a second run of the same day and commit replaces the first."""
    directory.mkdir(parents=True, exist_ok=True)
    as_json = directory / f"{report.stem}{suffix}.json"
    as_markdown = as_json.with_suffix(".md")
    as_json.write_text(json.dumps(report.to_mapping(), indent=2) + "\n", encoding="utf-8")
    as_markdown.write_text(markdown(report), encoding="utf-8")
    return as_json, as_markdown


def markdown(report: Report) -> str:
    """The report as a page."""
    lines = [f"# {report.title}", "", f"{report.when:%Y-%m-%d %H:%M}, commit `{report.commit}`.", ""]
    lines += ["| what | value | bar | verdict | figures |", "|---|---:|---:|---|---|"]
    for item in report.measurements:
        cells = (item.name, value_text(item), bar_text(item), item.verdict, details_text(item))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    for name, reason in report.failures.items():
        lines += ["", f"No figures for {name}: {reason.splitlines()[0] if reason else 'unknown reason'}"]
    lines += ["", "## How", ""]
    lines += [f"- **{item.name}**: {item.how}" for item in report.measurements]
    lines += ["", "## Machine and versions", ""]
    facts = {**report.machine, **report.versions, **{name: str(value) for name, value in report.options.items()}}
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    return "\n".join(lines) + "\n"


def value_text(item: Measurement) -> str:
    """The value with its unit, three significant digits."""
    value = f"{item.value:,.0f}" if abs(item.value) >= 1000 else f"{item.value:.3g}"
    return f"{value}{'x' if item.unit == 'x' else ' ' + item.unit}"


def bar_text(item: Measurement) -> str:
    """The bar, "-" without one."""
    return "-" if item.bar is None else str(item.bar)


def details_text(item: Measurement) -> str:
    """The figures behind a value, "name value" each."""
    return ", ".join(f"{name} {_detail(value)}" for name, value in item.details.items())


def _detail(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)
