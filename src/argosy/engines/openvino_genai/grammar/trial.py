"""The child process that compiles constraints before the pipeline does; see the package's docstring.

    python -m argosy.engines.openvino_genai.grammar.trial SOCKET PARENT

The library compiles inside a `step` and has no other way to do so, so this is a pipeline as well.
"""

from __future__ import annotations

import os
import re
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import openvino
import openvino_genai as genai

from argosy.engines.contract import ConstraintKind
from argosy.engines.grammar.messages import Compile, Compiled, Prepare
from argosy.engines.grammar.trial_process import run
from argosy.engines.openvino_genai import tokenizer
from argosy.engines.openvino_genai.grammar.network import silent_network
from argosy.engines.openvino_genai.library import LIBRARY_ERRORS, structured_output

_BLOCKS = 16
_WARM = Compile(ConstraintKind.EBNF, 'root ::= "a"')
_LONGEST_REASON = 300
_NOISE = re.compile(r"^(?:Exception from |Check ')")
_PLACE = re.compile(r"^\[\d\d:\d\d:\d\d\]\s*\S+:\d+:\s*")
_PATH = re.compile(r"(?:/[\w.+-]+){2,}(?::\d+)*:?\s*")


class Trial:
    """A pipeline that is built anew after every constraint that broke it.

    Args:
        prepare: what to compile against.

    Raises:
        RuntimeError: the library cannot compile anything for this model (and the other `LIBRARY_ERRORS`).
    """

    def __init__(self, prepare: Prepare) -> None:
        self._end_tokens = prepare.eos_token_ids
        self._tokenizer = tokenizer.load(Path(prepare.model))
        self._network = silent_network(max(self._tokenizer.get_vocab().values(), default=0) + 1)
        self._pipeline = self._build()
        # The library sorts the vocabulary for its first constraint, which no request should wait for.
        warm = self.compile(_WARM)
        if warm.reason:
            raise RuntimeError(warm.reason)

    def compile(self, order: Compile) -> Compiled:
        """Compile a constraint, and begin an answer with it.

        Raises:
            MemoryError: it needs more than there is; nothing more can be compiled here then.
        """
        memory, wall, processor = _resident_kib(), time.perf_counter(), time.process_time()
        reason = ""
        try:
            self._answer(order)
        except MemoryError:
            raise
        except LIBRARY_ERRORS as error:
            reason = plain_reason(str(error)) or "the library does not say why"
            self._pipeline = self._build()
        # Several threads compile: the processor's time is the longer one then. On a busy machine the wall's is.
        seconds = min(time.perf_counter() - wall, time.process_time() - processor)
        return Compiled(reason, seconds * 1000, max(0, _resident_kib() - memory))

    def _answer(self, order: Compile) -> None:
        config = genai.GenerationConfig()
        config.max_new_tokens = 1
        config.do_sample = False
        config.eos_token_id = self._end_tokens[0]
        config.stop_token_ids = set(self._end_tokens)
        config.structured_output_config = structured_output(order.kind, order.text)
        # Letting go of the handle would drop the request.
        handle = self._pipeline.add_request(0, openvino.Tensor(np.zeros((1, 1), dtype=np.int64)), config)
        while self._pipeline.has_non_finished_requests():
            self._pipeline.step()
        handle.read_all()

    def _build(self) -> genai.ContinuousBatchingPipeline:
        scheduling = genai.SchedulerConfig()
        scheduling.num_kv_blocks = _BLOCKS
        # The files must not outlive a process that is killed, so they are gone before anything is compiled.
        with tempfile.TemporaryDirectory() as directory:
            openvino.save_model(self._network, Path(directory) / "openvino_model.xml")
            return genai.ContinuousBatchingPipeline(directory, self._tokenizer, scheduling, "CPU")


def plain_reason(text: str) -> str:
    """The library's reason without its own source files, in one line."""
    lines = [_PLACE.sub("", line.strip()) for line in text.splitlines() if not _NOISE.match(line)]
    reason = _PATH.sub("", " ".join(" ".join(lines).split()))
    return reason[:_LONGEST_REASON].rstrip(" .")


def _resident_kib() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() // 1024


def _silence_the_library() -> None:
    """A pipeline that a constraint broke complains on its way out, with which any caller could fill a log."""
    own = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    sys.stderr = os.fdopen(own, "w", encoding="utf-8")


if __name__ == "__main__":
    _silence_the_library()
    run(Trial)
