"""Runs the checks of a judge and prints what came of each as a line of JSON: `{"name", "outcome", "detail"}`.

Judges run in environments that hold neither Argosy nor pytest, so this is the standard library alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from types import FrameType, ModuleType
from typing import Any

PREFIX = "check_"
SECONDS = 120
"""Generous: a busy machine is slow, and time never decides a check."""

_LONGEST_DETAIL = 4000
_LONGEST_PLACE = 1500


class Differs(Exception):
    """The client's own suite asks for something else here, and the difference is meant; the text says why."""


def main(judge: ModuleType) -> None:
    """Run every check of the module against the address in the first argument, those named after it only."""
    root, *names = sys.argv[1:]
    # The client's own deprecations are its own affair; a check that is about a warning records warnings itself.
    warnings.simplefilter("ignore")
    # One loop for all: clients keep connections beyond the check that opened them.
    with asyncio.Runner() as loop:
        for name, check in _checks(judge):
            if names and name not in names:
                continue
            outcome, detail = _run(loop, check, root)
            print(json.dumps({"name": name, "outcome": outcome, "detail": detail}), flush=True)  # noqa: T201


def _checks(judge: ModuleType) -> list[tuple[str, Callable[[str], Any]]]:
    return [(name, value) for name, value in vars(judge).items() if name.startswith(PREFIX)]


def _run(loop: asyncio.Runner, check: Callable[[str], Any], root: str) -> tuple[str, str]:
    try:
        with _limit():
            if inspect.iscoroutinefunction(check):
                loop.run(check(root))
            else:
                check(root)
    except Differs as difference:
        return "differs", str(difference)
    except Exception as error:  # noqa: BLE001 - whatever a client raises is the outcome
        said = f"{type(error).__name__}: {error}"[:_LONGEST_DETAIL]
        place = "".join(traceback.format_tb(error.__traceback__))
        return "fails", f"{said}\n{place[-_LONGEST_PLACE:]}"
    return "passes", ""


@contextlib.contextmanager
def _limit() -> Iterator[None]:
    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"no answer within {SECONDS} s")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)


def refused(call: Callable[[], Any], *words: str) -> None:
    """Demand that a call fails with a message that holds all of the words."""
    try:
        answer = call()
    except Exception as error:  # noqa: BLE001 - clients raise plain `Exception`
        _holds(str(error), words)
        return
    raise AssertionError(f"not refused; the answer was {answer!r:.300}")


async def arefused(call: Callable[[], Any], *words: str) -> None:
    """`refused`, for a call that returns an awaitable."""
    try:
        answer = await call()
    except Exception as error:  # noqa: BLE001
        _holds(str(error), words)
        return
    raise AssertionError(f"not refused; the answer was {answer!r:.300}")


def _holds(message: str, words: tuple[str, ...]) -> None:
    missing = [word for word in words if word not in message]
    assert not missing, f"the error lacks {missing}: {message:.500}"
