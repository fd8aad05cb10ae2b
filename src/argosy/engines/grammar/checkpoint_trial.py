"""A trial process for libraries that run checkpoints: the model's tokenizer, read by transformers, and xgrammar.

    python -m argosy.engines.grammar.checkpoint_trial SOCKET PARENT

Its interpreter must be the one that has the library, so that both compile with the same release of xgrammar.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import xgrammar
from transformers import AutoTokenizer

from argosy.engines.contract import ConstraintKind
from argosy.engines.grammar.messages import Compile, Compiled, Prepare
from argosy.engines.grammar.trial_process import run

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


if __name__ == "__main__":
    run(Trial)
