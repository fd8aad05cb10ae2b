"""What a person sees while a conversion runs: one line for each step, and a clock for the one under way."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from argosy.conversion.events import Event, Phase

_SIGNS = {
    Phase.FINISHED: "[green]done[/]",
    Phase.REUSED: "[cyan]kept[/]",
    Phase.FAILED: "[red]failed[/]",
    Phase.REJECTED: "[yellow]rejected[/]",
}


class ConversionProgress:
    """Shows the events of one conversion; a context manager.

    Args:
        console: for people, so standard error.
        quiet: show nothing, because a program reads the answer.
    """

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._console = console
        self._quiet = quiet
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal)
        self._under_way = self._progress.add_task("", visible=False)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def on_event(self, event: Event) -> None:
        """Show one event."""
        place = f"[{event.index + 1}/{event.total}]"
        if event.phase is Phase.STARTED:
            self._progress.reset(self._under_way, description=f"{escape(place)} {event.step}", visible=True)
            return
        if self._quiet:
            return
        took = f" {event.seconds:.1f} s" if event.seconds else ""
        said = f": {event.message.splitlines()[0]}" if event.message else ""
        self._console.print(f"{escape(place)} {event.step:<16} {_SIGNS[event.phase]}{took}", end="")
        self._console.print(said, markup=False, soft_wrap=True)
