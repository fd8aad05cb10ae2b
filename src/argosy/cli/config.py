"""`argosy config`: every effective value, where it came from, and what else was said."""

from __future__ import annotations

from typing import Any

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from argosy.cli.options import settings_flags
from argosy.settings import Loaded, json_schema, load


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of all settings.")
@settings_flags
@click.pass_context
def command(context: click.Context, /, as_json: bool, schema: bool, **flags: Any) -> None:
    """Print every setting, its effective value and where the value came from.

    Exits with 1 when a start with this configuration would be refused.

    \b
    argosy config
    argosy config --max-model-len 2048
    ARGOSY_PORT=9000 argosy config --json
    argosy config --schema > settings.schema.json
    """
    if schema:
        click.echo(orjson.dumps(json_schema(), option=orjson.OPT_INDENT_2))
        return
    loaded = load(flags, refuse=False)
    if as_json:
        document = {"settings": loaded.rows(), "warnings": loaded.warnings, "refusals": loaded.refusals}
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    else:
        print_configuration(Console(), loaded)
    if loaded.refusals:
        context.exit(1)


def print_configuration(console: Console, loaded: Loaded) -> None:
    """A table with every setting, then what is refused and what has no effect."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("setting", "value", "from", "variables"):
        table.add_column(column, overflow="fold")
    group = ""
    for row in loaded.rows():
        if row["group"] != group:
            group = row["group"]
            table.add_row(f"[bold cyan]{group}[/]", "", "", "")
        table.add_row(f"  {row['name']}", escape(row["value"]), _origin(row), row["variables"])
    console.print(table)
    for refusal in loaded.refusals:
        console.print(f"[red]refused:[/] {escape(refusal)}")
    for warning in loaded.warnings:
        console.print(f"[yellow]warning:[/] {escape(warning)}")


def _origin(row: dict[str, Any]) -> str:
    if row["origin"] == "default":
        return "default"
    hidden = "".join(f"\n[dim]not {escape(item['origin'])}: {escape(item['value'])}[/]" for item in row["shadowed"])
    return f"[green]{escape(row['origin'])}[/]{hidden}"
