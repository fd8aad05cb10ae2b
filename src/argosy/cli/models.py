"""`argosy models`: what is in the model store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from argosy.app.supervisor import adapter_folder
from argosy.cli import models_in_memory
from argosy.server.artifacts.adapters.adopt import Adapter
from argosy.server.artifacts.places import cache_directory, model_stores
from argosy.server.artifacts.resolve import Selection, survey
from argosy.settings import Loaded, load
from argosy.store.entries import ModelEntry


@click.command("models")
@click.option(
    "--store",
    "stores",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Folder with model store entries; may be given again. Default: the configured store.",
)
@click.option("--url", default="", help="Ask the server at this address what it has in memory instead.")
@click.option("--key", default="", help="API key for --url. Default: the first of ARGOSY_API_KEYS.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def command(stores: tuple[Path, ...], url: str, key: str, as_json: bool) -> None:
    """List the models in the store: what each does, how it runs, and how accurate it was measured to be.

    Adapters in the folder of NIM_PEFT_SOURCE follow, with what keeps a broken one from being served.

    \b
    argosy models
    argosy models --store ./my-models --json
    argosy models --url http://127.0.0.1:8000
    """
    loaded = load()
    if url:
        _print_running(url, key or _first_key(loaded), as_json=as_json)
        return
    chosen = stores or model_stores(loaded.settings.model_store)
    selection = survey(chosen)
    adapters = _adapters(loaded, selection)
    if as_json:
        click.echo(orjson.dumps(_document(selection, adapters), option=orjson.OPT_INDENT_2))
        return
    _print(selection, adapters, chosen, Console())


def _print_running(url: str, key: str, *, as_json: bool) -> None:
    found = models_in_memory.ask(url, key)
    if as_json:
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
    else:
        models_in_memory.show(found, Console())


def _first_key(loaded: Loaded) -> str:
    keys = loaded.settings.api_keys
    return keys[0].reveal().rpartition(":")[2] if keys else ""


def _adapters(loaded: Loaded, selection: Selection) -> list[dict[str, Any]]:
    """One row for each folder of the adapters' folder; `problem` is empty for one that can be served."""
    if loaded.settings.peft_source is None:
        return []
    cache = cache_directory(loaded.settings.cache, loaded.environment)
    rows = []
    for found in adapter_folder(loaded.settings, selection.entries, cache).check():
        if isinstance(found, Adapter):
            rows.append({"name": found.name, "parent": found.base.name, "rank": found.config.rank, "problem": ""})
        else:
            rows.append({"name": found[0], "parent": "", "rank": 0, "problem": found[1]})
    return rows


def _document(selection: Selection, adapters: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "models": [_row(entry) for entry in selection.entries],
        "adapters": adapters,
        "problems": [
            {"directory": str(problem.directory), "message": problem.message} for problem in selection.problems
        ],
    }


def _row(entry: ModelEntry) -> dict[str, Any]:
    spec = entry.spec
    return {
        "name": spec.name,
        "task": spec.task.value,
        "engine": spec.engine,
        "profile": spec.profile.label,
        "bytes": _size(entry.directory),
        "versions": list(entry.versions),
        "license": spec.license,
        "description": spec.description,
        "accuracy": dict(spec.accuracy),
        "directory": str(entry.directory),
    }


def _size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def _print(selection: Selection, adapters: list[dict[str, Any]], stores: tuple[Path, ...], console: Console) -> None:
    if selection.entries:
        console.print(_table(selection))
    else:
        console.print(f"No models in {', '.join(map(str, stores))}.", markup=False)
    for adapter in adapters:
        if not adapter["problem"]:
            text = f"adapter {adapter['name']} of {adapter['parent']}, rank {adapter['rank']}"
            console.print(text, markup=False)
    problems = [problem.message for problem in selection.problems]
    for problem in [*problems, *(adapter["problem"] for adapter in adapters if adapter["problem"])]:
        console.print(f"problem: {problem}", style="yellow", markup=False)


def _table(selection: Selection) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("model", "task", "engine", "profile", "size"):
        table.add_column(column, justify="right" if column == "size" else "left", no_wrap=True)
    table.add_column("accuracy", overflow="fold")
    for row in map(_row, selection.entries):
        size = f"{row['bytes'] / (1 << 20):.1f} MiB"
        cells = (row["name"], row["task"], row["engine"], row["profile"], size)
        # Names and figures come from files: brackets in them are not markup.
        table.add_row(*(escape(cell) for cell in (*cells, _brief(row["accuracy"]))))
    return table


def _brief(accuracy: Mapping[str, Any]) -> str:
    """The first figure that is no count, as `cosine.mean 0.9995`; nested tables are opened."""
    pending = list(accuracy.items())
    while pending:
        name, value = pending.pop(0)
        if isinstance(value, Mapping):
            pending = [(f"{name}.{key}", item) for key, item in value.items()] + pending
        elif isinstance(value, float):
            return f"{name} {value:.4g}"
    return "not measured"
