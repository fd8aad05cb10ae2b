"""What `argosy serve` prints: progress while models load, then a table and a request to try."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from argosy.core.models import Task
from argosy.core.status import ModelState, ModelStatus, RuntimeState, RuntimeStatus
from argosy.store.entries import ModelEntry

_MARKS = {
    ModelState.LOADING: "[yellow]…[/]",
    ModelState.READY: "[green]✓[/]",
    ModelState.FENCED: "[yellow]![/]",
    ModelState.FAILED: "[red]✗[/]",
}
_ASLEEP = "[dim]z[/]"
_ROUTES = {
    Task.GENERATE: "/v1/chat/completions",
    Task.EMBED: "/v1/embeddings",
    Task.RANK: "/v1/ranking",
    Task.CLASSIFY: "/v1/classify",
    Task.TENSOR: "",
}


_QUEUED = "waiting"


class StartupReport:
    """Follows the runtime's status and prints each change once.

    Args:
        problems: entries that were left out, a sentence each.
        url: where the gateway listens.
        secured: whether requests need a key.
        grpc: where KServe's gRPC listens; empty when it is off.
        on_demand: whether models are loaded when they are asked for.
    """

    def __init__(
        self,
        console: Console,
        entries: Sequence[ModelEntry],
        problems: Sequence[str],
        url: str,
        *,
        secured: bool,
        grpc: str = "",
        on_demand: bool = False,
    ) -> None:
        self._console = console
        self._entries = entries
        self._problems = problems
        self._url = url
        self._secured = secured
        self._grpc = grpc
        self._on_demand = on_demand
        self._began = time.monotonic()
        self._models: dict[str, ModelStatus] = {}
        self._state: RuntimeState | None = None
        self._troubled = False
        self._leaving = False

    def begin(self) -> None:
        """Say what is about to happen."""
        for problem in self._problems:
            self._console.print(f"[yellow]left out:[/] {problem}", soft_wrap=True)
        self._console.print(f"Starting Triton for {_models(len(self._entries))} …")

    def on_status(self, status: RuntimeStatus) -> None:
        """Print what changed; on the way out nothing is news."""
        if self._leaving:
            return
        if status.state is not self._state and status.state in {RuntimeState.FENCED, RuntimeState.FAILED}:
            self._console.print(f"[red]{self._seconds} runtime {status.state}:[/] {status.reason}")
            self._troubled = True
        elif status.state is RuntimeState.READY and self._troubled:
            self._console.print(f"[green]{self._seconds} runtime ready again[/]")
            self._troubled = False
        self._state = status.state
        for name, model in status.models.items():
            if self._models.get(name) != model:
                self._models[name] = model
                self._tell(model)
        for name in [name for name in self._models if name not in status.models]:
            del self._models[name]
            self._console.print(f"  - {self._seconds} {name} unloaded")

    def _tell(self, model: ModelStatus) -> None:
        if model.state is ModelState.LOADING and model.reason == _QUEUED:
            return
        reason = "" if model.reason in {"", str(model.state)} else f": {model.reason}"
        text = f"  {_MARKS[model.state]} {self._seconds} {model.name} {model.state}{reason}"
        self._console.print(text, soft_wrap=True)

    def finish(self) -> None:
        """Print the table of models and a request to try."""
        self._console.print(self._table())
        ready = [entry for entry in self._entries if self._is_ready(entry)]
        self._console.print(
            f"Serving {_models(len(ready))} on {self._url} after {self._seconds.lstrip()}. Ctrl-C stops."
        )
        if self._on_demand and len(ready) < len(self._entries):
            self._console.print(f"{len(self._entries) - len(ready)} more are loaded by the first request for each.")
        self._console.print(f"OpenAI base URL: {self._url}/v1   docs: {self._url}/docs")
        grpc = f"   KServe gRPC: {self._grpc}" if self._grpc else ""
        self._console.print(f"KServe v2: {self._url}/v2{grpc}")
        example = next(
            (text for entry in (self._entries if self._on_demand else ready) if (text := self._example(entry))), ""
        )
        if example:
            self._console.print("\nTry:")
            # A long line must survive being copied from the terminal.
            self._console.print(f"  {example}\n", soft_wrap=True, markup=False)

    def leaving(self) -> None:
        """Say that the drain has begun."""
        self._leaving = True
        self._console.print("Stopping: running requests may finish. Once more to stop now.")

    def goodbye(self) -> None:
        """Say that everything is gone."""
        self._console.print("Stopped.")

    @property
    def _seconds(self) -> str:
        return f"{time.monotonic() - self._began:5.1f} s"

    def _is_ready(self, entry: ModelEntry) -> bool:
        model = self._models.get(entry.name)
        return model is not None and model.state is ModelState.READY

    def _table(self) -> Table:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for column in ("", "model", "task", "engine", "profile", "route"):
            table.add_column(column, overflow="fold")
        for entry in self._entries:
            model = self._models.get(entry.name)
            mark = _MARKS[model.state] if model else _ASLEEP if self._on_demand else _MARKS[ModelState.LOADING]
            spec = entry.spec
            name = f"{entry.name} (adapter of {spec.parent})" if spec.parent else entry.name
            table.add_row(mark, name, spec.task, spec.engine, spec.profile.label, _ROUTES[spec.task])
        return table

    def _example(self, entry: ModelEntry) -> str:
        body = _example_body(entry)
        if body is None:
            return ""
        key = ' -H "authorization: Bearer $ARGOSY_KEY"' if self._secured else ""
        route = _ROUTES[entry.spec.task]
        return f"curl -s {self._url}{route} -H 'content-type: application/json'{key} -d '{json.dumps(body)}'"


def _example_body(entry: ModelEntry) -> dict[str, object] | None:
    match entry.spec.task:
        case Task.GENERATE:
            return {"model": entry.name, "messages": [{"role": "user", "content": "What is 37 plus 45?"}]}
        case Task.EMBED | Task.CLASSIFY:
            return {"model": entry.name, "input": "A ship laden with goods."}
        case Task.RANK:
            passages = [{"text": "A merchant vessel."}, {"text": "A recipe."}]
            return {"model": entry.name, "query": {"text": "ships"}, "passages": passages}
        case _:
            return None


def _models(count: int) -> str:
    return "1 model" if count == 1 else f"{count} models"
