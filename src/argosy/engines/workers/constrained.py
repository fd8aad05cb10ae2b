"""A generation that waits for its constraint to be compiled apart."""

from __future__ import annotations

from functools import partial
from typing import Any

from argosy.core.errors import ArgosyError
from argosy.engines.grammar.guard import GrammarGuard
from argosy.engines.grammar.messages import Grammar
from argosy.engines.text.answer import Answer
from argosy.engines.workers.supervisor import Request, WorkerSupervisor


def add_once_compiled(
    supervisor: WorkerSupervisor[Any], guard: GrammarGuard, grammar: Grammar, answer: Answer, request: Request
) -> int:
    """Take a generation on, and send it when its constraint is known to be good; never waits.

    A constraint that turns out to be bad ends the answer with its `InvalidRequest`, from the guard's thread.

    Returns:
        The generation's handle.

    Raises:
        EngineError: as for `WorkerSupervisor.add`.
        Overloaded: too many constraints wait.
    """
    handle = supervisor.hold(answer)

    def told(refusal: ArgosyError | None) -> None:
        if refusal is None:
            supervisor.release(handle, request)
        else:
            supervisor.refuse(handle, refusal)

    try:
        guard.ask(grammar, partial(supervisor.holds, handle), told)
    except ArgosyError:
        supervisor.drop(handle)
        raise
    return handle
