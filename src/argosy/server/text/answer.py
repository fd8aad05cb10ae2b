"""One answer, read as it grows: thoughts first, tool calls in what is said."""

from __future__ import annotations

from argosy.server.text.pieces import Piece, Said, joined
from argosy.server.text.reasoning import ThoughtReader
from argosy.server.text.tools.reader import CallReader


class AnswerReader:
    """Turns the text of one answer into pieces; however it is cut into chunks, the pieces join to the same.

    Args:
        thoughts: None for models that do not think.
        calls: None where no tools were offered.
    """

    def __init__(self, thoughts: ThoughtReader | None = None, calls: CallReader | None = None) -> None:
        self._thoughts = thoughts
        self._calls = calls

    @property
    def called(self) -> bool:
        """Whether a tool call has begun."""
        return self._calls is not None and self._calls.called

    def feed(self, text: str) -> list[Piece]:
        """The pieces that new text makes certain."""
        if not text:
            return []
        return self._read(self._thoughts.feed(text) if self._thoughts is not None else [Said(text)])

    def finish(self) -> list[Piece]:
        """The pieces that the end of the answer makes certain."""
        pieces = self._read(self._thoughts.finish() if self._thoughts is not None else [])
        return joined([*pieces, *(self._calls.finish() if self._calls is not None else [])])

    def _read(self, pieces: list[Piece]) -> list[Piece]:
        if self._calls is None:
            return pieces
        found: list[Piece] = []
        for piece in pieces:
            if isinstance(piece, Said):
                found += self._calls.feed(piece.text)
            else:
                found.append(piece)
        return found
