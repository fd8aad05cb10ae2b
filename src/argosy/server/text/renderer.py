"""The process that renders chat templates: `python -I -m argosy.server.text.renderer`.

It reads questions on standard input and answers on standard output, one at a time, and ends when its input does.
A template that runs too long kills the process (by an alarm it sets itself, so also when the server is gone); one
that builds too large a text fails on the memory limit.
"""

from __future__ import annotations

import resource
import signal
import sys

from jinja2 import Template, TemplateError

from argosy.server.text import frames, sandbox

_MEMORY = 1 << 30
_SHOWN = 500


def main() -> None:
    """Answer until standard input ends."""
    # Ctrl-C reaches the whole group; the server decides when this process ends, by closing its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    renderer = Renderer()
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while (body := frames.read(source)) is not None:
        sink.write(frames.pack(renderer.answer(frames.decode_question(body))))
        sink.flush()


class Renderer:
    """Compiled templates by name."""

    def __init__(self) -> None:
        self._environment = sandbox.environment()
        self._templates: dict[str, Template] = {}

    def answer(self, question: frames.Question) -> frames.Answer:
        """What to say to `question`; a template's failure is an answer, not an exception."""
        try:
            if isinstance(question, frames.Load):
                self._templates[question.name] = sandbox.compile_template(self._environment, question.source)
                return frames.Rendered()
            return frames.Rendered(self._render(question))
        except sandbox.TemplateRefusal as refusal:
            return frames.Refused(str(refusal)[:_SHOWN])
        except (TemplateError, RecursionError, MemoryError) as error:
            return frames.Failed(f"{type(error).__name__}: {error}"[:_SHOWN])

    def _render(self, question: frames.Render) -> str:
        template = self._templates[question.name]
        # The default action of SIGALRM ends the process, whatever the template is doing.
        signal.setitimer(signal.ITIMER_REAL, question.seconds)
        try:
            return sandbox.render(template, question.variables)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


if __name__ == "__main__":
    main()
