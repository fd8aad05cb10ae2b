"""What every process that compiles constraints on trial does around its compiler; see the package's docstring."""

from __future__ import annotations

import os
import resource
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from argosy.engines.children import child
from argosy.engines.grammar import messages
from argosy.engines.grammar.messages import Compile, Compiled, Prepare, Prepared

# Answers that are under way come first. Not more: beside busy engines a form gets a quarter of a processor, so that one
# that may be used is compiled within the guard's limit.
_NICENESS = 5


class Compiler(Protocol):
    """What compiles in this process."""

    def compile(self, order: Compile) -> Compiled:
        """Compile a constraint.

        Raises:
            MemoryError: it needs more than there is; the process ends then.
        """
        ...


def run(prepare_compiler: Callable[[Prepare], Compiler]) -> None:
    """Answer the guard's orders until it goes; does not return."""
    channel = child.adopt()
    os.nice(_NICENESS)
    status = 1
    try:
        prepare = messages.decode_command(channel.receive()[0])
        if not isinstance(prepare, Prepare):
            raise TypeError(f"The first command must be Prepare, not {type(prepare).__name__}.")
        compiler = prepare_compiler(prepare)
        _limit_memory(prepare.memory)
        channel.send(messages.encode(Prepared()))
        while True:
            for frame in channel.receive():
                order = messages.decode_command(frame)
                if isinstance(order, Compile):
                    channel.send(messages.encode(compiler.compile(order)))
    except (EOFError, BrokenPipeError, ConnectionResetError, MemoryError):
        # The guard knows why a process has ended that did not answer.
        status = 0
    finally:
        if status:
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(status)


def _limit_memory(more: int) -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
