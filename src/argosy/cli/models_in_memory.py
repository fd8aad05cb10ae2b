"""What a running server has in memory, read from its metrics."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from argosy.core.errors import InvalidSetting, Unavailable
from argosy.core.memory import in_words
from argosy.telemetry import residency

_SECONDS = 10.0
_LONGEST = 64 << 20


def ask(url: str, key: str = "") -> dict[str, Any]:
    """The models of the server at `url`: `models`, one row each by name, and `budget_bytes`.

    Args:
        url: where the server's gateway listens.
        key: API key; empty for a server without.

    Raises:
        InvalidSetting: `url` is none.
        Unavailable: the server did not answer as it should; the message has the remedy.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise InvalidSetting(f"--url {url!r} is not an address such as http://127.0.0.1:8000.")
    headers = {"authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(f"{url.rstrip('/')}/metrics", headers=headers)  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - likewise
            text = answer.read(_LONGEST).decode(errors="replace")
    except urllib.error.HTTPError as error:
        error.close()
        remedy = " Give an API key with --key." if error.code == 401 else ""
        raise Unavailable(f"{url} answered {error.code}.{remedy}") from None
    except OSError as error:
        raise Unavailable(f"{url} cannot be reached: {error}. Is 'argosy serve' running there?") from None
    return read(text)


def read(text: str) -> dict[str, Any]:
    """The same from Prometheus text."""
    rows: dict[str, dict[str, Any]] = {}
    budget = 0
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == residency.BUDGET.name:
                budget = int(sample.value)
            elif "model" in sample.labels:
                _note(rows, sample.name, sample.labels, sample.value)
    return {"models": [rows[name] for name in sorted(rows)], "budget_bytes": budget}


def show(found: dict[str, Any], console: Console) -> None:
    """Print it as a table."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("model", "state", "memory", "loads", "failed", "evictions"):
        table.add_column(column, justify="left" if column in {"model", "state"} else "right", overflow="fold")
    for row in found["models"]:
        memory = in_words(row["memory_bytes"]) if row["memory_bytes"] else "-"
        counts = (str(row[name]) for name in ("loads", "failed_loads", "evictions"))
        table.add_row(escape(row["name"]), row["state"], memory, *counts)
    console.print(table)
    taken = sum(row["memory_bytes"] for row in found["models"])
    budget = in_words(found["budget_bytes"]) if found["budget_bytes"] else "no bound"
    console.print(f"{in_words(taken)} in memory; budget: {budget}.", markup=False)


def _note(rows: dict[str, dict[str, Any]], name: str, labels: dict[str, str], value: float) -> None:
    empty = {"state": "unknown", "memory_bytes": 0, "loads": 0, "failed_loads": 0, "evictions": 0}
    changes: dict[str, Any] = {}
    row = rows.get(labels["model"], {"name": labels["model"], **empty})
    if name == residency.MEMORY.name:
        changes = {"memory_bytes": int(value)}
    elif name == residency.STATE.name and value:
        changes = {"state": labels["state"]}
    elif name == residency.LOADS.name:
        changes = {"loads" if labels["result"] == "ready" else "failed_loads": int(value)}
    elif name == residency.EVICTIONS.name:
        changes = {"evictions": row["evictions"] + int(value)}
    if changes:
        rows[labels["model"]] = {**row, **changes}
