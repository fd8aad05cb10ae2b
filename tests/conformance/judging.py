"""Running the judges: programs of `tests.conformance.judges`, each in the environment made for it."""

from __future__ import annotations

import ast
import json
import os
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
JUDGES = Path(__file__).with_name("judges")
PREFIX = "check_"


@dataclass(frozen=True)
class Judge:
    """A program and the client it speaks for.

    Attributes:
        module: its name in `tests.conformance.judges`.
        environment: directory below `.work/judges`, and its locked requirements `requirements/judges-<name>.txt`.
        client: the distribution that judges.
        title: what of it, in words.
        keyed: whether it wants a server whose callers need keys.
    """

    module: str
    environment: str
    client: str
    title: str
    keyed: bool = False

    @property
    def python(self) -> Path:
        """The interpreter of its environment."""
        return ROOT / ".work" / "judges" / self.environment / "bin" / "python"

    @property
    def version(self) -> str:
        """The locked version of its client."""
        lines = (ROOT / "requirements" / f"judges-{self.environment}.txt").read_text().splitlines()
        (line,) = [line for line in lines if line.startswith(f"{self.client}==")]
        return line.split()[0].partition("==")[2]

    def checks(self) -> dict[str, str]:
        """What it checks: a sentence by name, read without importing what is not installed here."""
        tree = ast.parse((JUDGES / f"{self.module}.py").read_text())
        kinds = ast.FunctionDef | ast.AsyncFunctionDef
        found = [node for node in tree.body if isinstance(node, kinds) and node.name.startswith(PREFIX)]
        return {node.name: " ".join((ast.get_docstring(node) or "").split()) for node in found}


_LANGCHAIN = "langchain-nvidia-ai-endpoints"
CHAT = Judge("langchain_chat", "clients", _LANGCHAIN, "chat")
TOOLS = Judge("langchain_tools", "clients", _LANGCHAIN, "tools")
STRUCTURED = Judge("langchain_structured", "clients", _LANGCHAIN, "structured output")
RETRIEVAL = Judge("langchain_retrieval", "clients", _LANGCHAIN, "embeddings and ranking")
COMPLETIONS = Judge("langchain_completions", "clients", _LANGCHAIN, "completions and available models")
LLAMA_INDEX = Judge("llama_index_clients", "clients", "llama-index-llms-nvidia", "language model, embeddings, ranking")
AIPERF = Judge("aiperf_profiles", "aiperf", "aiperf", "endpoint types")
SCHEMATHESIS = Judge("schemathesis_routes", "clients", "schemathesis", "every route of `/openapi.json`")
ROLES = Judge("schemathesis_roles", "clients", "schemathesis", "every route, by who asks", keyed=True)

EVERY_JUDGE = (CHAT, TOOLS, STRUCTURED, RETRIEVAL, COMPLETIONS, LLAMA_INDEX, AIPERF, SCHEMATHESIS, ROLES)


@dataclass(frozen=True)
class Verdict:
    """What came of a check: `passes`, `differs` (meant; `detail` says why) or `fails`."""

    outcome: str
    detail: str = ""


class Court:
    """Asks each judge once about a server, and remembers what it said.

    Args:
        root: address of the server.
        log: folder for what the judges print.
        keyed: runs a server whose callers need keys, for the judges that want one.
    """

    def __init__(self, root: str, log: Path, keyed: Callable[[], AbstractContextManager[str]] | None = None) -> None:
        self._root = root
        self._log = log
        self._keyed = keyed
        self._heard: dict[Judge, dict[str, Verdict]] = {}

    def verdict(self, judge: Judge, check: str) -> Verdict:
        """What a judge found in one check; the first question runs all of its checks."""
        found = self.verdicts(judge)
        if check not in found:
            raise AssertionError(f"{judge.module} ended before {check}:\n{self._said(judge)[-3000:]}")
        return found[check]

    def verdicts(self, judge: Judge) -> dict[str, Verdict]:
        """What a judge found, by check."""
        if judge not in self._heard:
            self._heard[judge] = self._ask(judge)
        return self._heard[judge]

    def _ask(self, judge: Judge) -> dict[str, Verdict]:
        if not judge.python.exists():
            raise FileNotFoundError(f"{judge.client} is not installed. Run: make judges")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("NVIDIA_")}
        # What a client would tell its makers stays here.
        environment |= {"DO_NOT_TRACK": "1", "NVIDIA_USAGE_TELEMETRY_ENABLED": "false", "LANGSMITH_TRACING": "false"}
        with self._said_at(judge).open("wb") as said, self._server(judge) as root:
            run = subprocess.run(
                [str(judge.python), "-m", f"tests.conformance.judges.{judge.module}", root],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=said,
                timeout=600,
                check=False,
            )
        lines = [json.loads(line) for line in run.stdout.splitlines() if line.startswith(b"{")]
        return {line["name"]: Verdict(line["outcome"], line["detail"]) for line in lines}

    def _server(self, judge: Judge) -> AbstractContextManager[str]:
        if not judge.keyed:
            return nullcontext(self._root)
        assert self._keyed is not None, f"{judge.module} wants a server with keys"
        return self._keyed()

    def _said_at(self, judge: Judge) -> Path:
        return self._log / f"{judge.module}.log"

    def _said(self, judge: Judge) -> str:
        return self._said_at(judge).read_text(errors="replace")


def demand(verdict: Verdict) -> None:
    """Fail with what the judge saw, unless it was content or the difference is meant."""
    assert verdict.outcome in {"passes", "differs"}, verdict.detail
