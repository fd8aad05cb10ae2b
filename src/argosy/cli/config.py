"""`argosy config`: every effective value and where it came from."""

from __future__ import annotations

from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table

from argosy.cli.options import settings_flags
from argosy.settings import Loaded, load


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
@settings_flags
def command(as_json: bool, **flags: Any) -> None:
    """Print every setting, its effective value and where the value came from.

    \b
    argosy config
    ARGOSY_PORT=9000 argosy config --json
    """
    loaded = load(flags)
    if as_json:
        document = {"settings": loaded.rows(), "warnings": loaded.warnings}
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))
        return
    _print_table(loaded)


def _print_table(loaded: Loaded) -> None:
    console = Console()
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("setting", "value", "from", "variables"):
        table.add_column(column, overflow="fold")
    group = ""
    for row in loaded.rows():
        if row["group"] != group:
            group = row["group"]
            table.add_row(f"[bold cyan]{group}[/]", "", "", "")
        changed = row["origin"] != "default"
        table.add_row(
            f"  {row['name']}", row["value"], f"[green]{row['origin']}[/]" if changed else "default", row["variables"]
        )
    console.print(table)
    for warning in loaded.warnings:
        console.print(f"[yellow]warning:[/] {warning}")
