"""`argosy doctor`: what this machine lacks and the command that adds it."""

from __future__ import annotations

import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from argosy.app.machine import this_machine
from argosy.server.artifacts.places import cache_directory, run_directory
from argosy.server.probe.checks.finding import Finding, Level
from argosy.server.probe.examine import Plan, examine
from argosy.server.probe.host import Host
from argosy.settings import Loaded, load

_STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red"}


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """Check this machine and say how to fix what is missing. Exit code 1 when Argosy cannot serve here.

    \b
    argosy doctor
    ARGOSY_PORT=9000 argosy doctor --json
    argosy doctor --json > host.json        (a description for: argosy profiles MODEL --host host.json)
    """
    loaded = load()
    chosen = _plan(loaded)
    # One of the checks asks for the devices as well, and is what people see.
    host = this_machine(loaded.settings, devices=as_json)
    findings = examine(host, chosen)
    failed = any(finding.level is Level.FAIL for finding in findings)
    if as_json:
        click.echo(orjson.dumps(_document(host, findings, ok=not failed), option=orjson.OPT_INDENT_2))
    else:
        _print(findings, Console())
    context.exit(1 if failed else 0)


def _plan(loaded: Loaded) -> Plan:
    settings = loaded.settings
    return Plan(
        host=settings.host,
        port=settings.port,
        cache=cache_directory(settings.cache, loaded.environment),
        run_directory=run_directory(settings.run_directory, settings.port, loaded.environment),
        tritonserver=settings.tritonserver,
        triton_url=settings.triton_url,
    )


def _document(host: Host, findings: tuple[Finding, ...], *, ok: bool) -> dict[str, object]:
    checks = [
        {"check": item.check, "status": item.level.value, "found": item.found, "remedy": item.remedy}
        for item in findings
    ]
    return {"ok": ok, "checks": checks, "host": host.to_mapping()}


def _print(findings: tuple[Finding, ...], console: Console) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in findings:
        style = _STYLES[finding.level]
        table.add_row(f"[{style}]{finding.level.value}[/]", escape(finding.check), escape(finding.found))
    console.print(table)
    for finding in findings:
        if finding.remedy:
            # On a line of its own and never wrapped, so that it can be copied.
            console.print(f"\n{finding.check}: {finding.found}", style=_STYLES[finding.level], markup=False)
            console.print(f"  {finding.remedy}", markup=False, highlight=False, soft_wrap=True)
    failed = sum(finding.level is Level.FAIL for finding in findings)
    verdict = f"{failed} to fix before serving" if failed else "ready to serve"
    console.print(f"\n{verdict}", style=_STYLES[Level.FAIL if failed else Level.OK])
