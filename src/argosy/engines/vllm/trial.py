"""The child process that compiles constraints before vLLM does; `argosy.engines.grammar` tells why.

    python -m argosy.engines.vllm.trial SOCKET PARENT

It holds what vLLM's EngineCore holds for that: the model's tokenizer, read by transformers, and xgrammar. vLLM (0.32)
survives a constraint that does not compile, but not one that takes all memory, and none of them can be given up.
"""

from __future__ import annotations

import os
import resource
import sys
import time
import traceback
from pathlib import Path

import msgspec
import xgrammar
from transformers import AutoTokenizer

from argosy.engines.children import child
from argosy.engines.contract import ConstraintKind
from argosy.engines.grammar import messages
from argosy.engines.grammar.messages import Compile, Compiled, Prepare, Prepared

_NICENESS = 5
_LONGEST_REASON = 300
_THREADS = 2


class Trial:
    """A compiler of constraints.

    Args:
        prepare: names the checkpoint's `config.json`.
    """

    def __init__(self, prepare: Prepare) -> None:
        config = Path(prepare.model)
        size = _vocabulary(config)
        tokenizer = AutoTokenizer.from_pretrained(config.parent, local_files_only=True, trust_remote_code=False)
        info = xgrammar.TokenizerInfo.from_huggingface(tokenizer, vocab_size=size)
        self._compiler = xgrammar.GrammarCompiler(info, max_threads=_THREADS, cache_enabled=False)
        self._compilers = {
            ConstraintKind.JSON_SCHEMA: self._compiler.compile_json_schema,
            ConstraintKind.REGEX: self._compiler.compile_regex,
            ConstraintKind.EBNF: self._compiler.compile_grammar,
            ConstraintKind.STRUCTURAL_TAG: self._compiler.compile_structural_tag,
        }
        # The first takes longest.
        self.compile(Compile(ConstraintKind.EBNF, 'root ::= "a"'))

    def compile(self, order: Compile) -> Compiled:
        """Compile a constraint.

        Raises:
            MemoryError: it needs more than there is; nothing more can be compiled here then.
        """
        reason = ""
        begun = time.perf_counter()
        try:
            self._compilers[ConstraintKind(order.kind)](order.text)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - the library raises its own kinds, and others
            reason = " ".join(str(error).split())[:_LONGEST_REASON].rstrip(" .") or type(error).__name__
        return Compiled(reason, (time.perf_counter() - begun) * 1000, 0)


def _vocabulary(config: Path) -> int:
    values = msgspec.json.decode(config.read_bytes())
    size: int = (values.get("text_config") or values)["vocab_size"]
    return size


def main() -> None:
    """Entry of the child process."""
    channel = child.adopt()
    os.nice(_NICENESS)
    status = 1
    try:
        prepare = messages.decode_command(channel.receive()[0])
        if not isinstance(prepare, Prepare):
            raise TypeError(f"The first command must be Prepare, not {type(prepare).__name__}.")
        trial = Trial(prepare)
        _limit_memory(prepare.memory)
        channel.send(messages.encode(Prepared()))
        while True:
            for frame in channel.receive():
                order = messages.decode_command(frame)
                if isinstance(order, Compile):
                    channel.send(messages.encode(trial.compile(order)))
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


if __name__ == "__main__":
    main()
