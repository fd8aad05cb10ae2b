"""Pythonic (Llama 4, ToolACE): `[f(a=1), g(b="x")]`, the whole answer.

The list is held until its last bracket and then read as an expression that may hold calls with named literals and
nothing else; it is never run.
"""

from __future__ import annotations

import ast
import json
import warnings
from typing import Any, ClassVar

from argosy.server.text.tools.reader import CallReader, NotACallError, Steps

LONGEST = 16 << 10
_OPENING, _CLOSING = "([{", ")]}"
_WORDS = {"true": True, "false": False, "null": None}


class PythonicReader(CallReader):
    """Calls come out at once when the list is complete."""

    first: ClassVar[str] = "["

    def _read(self, lead: str, *, at_start: bool) -> Steps:  # noqa: ARG002
        text = [lead]
        char = yield from self._gap()
        while char.isalnum() or char == "_":
            text.append(char)
            char = yield
        # A list, a link or a poem shows here that it is not a call, and need not wait for its end.
        if char != "(" or "".join(text[1:]) not in self._names:
            raise NotACallError
        text.append(char)
        yield from self._rest(text)
        calls = _calls("".join(text))
        if any(name not in self._names for name, _ in calls):
            raise NotACallError
        for name, arguments in calls:
            self._call_begins(name)
            self._argue(arguments)

    def _rest(self, text: list[str]) -> Steps:
        depth, quote, escaped = 2, "", False
        while depth:
            char = yield
            if char == "" or len(text) >= LONGEST:
                raise NotACallError
            if quote:
                quote = quote if escaped or char != quote else ""
                escaped = char == "\\" and not escaped
            elif char in {'"', "'"}:
                quote = char
            else:
                depth += (char in _OPENING) - (char in _CLOSING)
            text.append(char)


def _calls(text: str) -> list[tuple[str, str]]:
    """Names and JSON arguments of every call in the list.

    Raises:
        NotACallError: it is not a list of calls with named literals.
    """
    try:
        with warnings.catch_warnings():
            # An unknown escape in a model's string is the model's affair.
            warnings.simplefilter("ignore")
            body = ast.parse(text, mode="eval").body
        items = body.elts if isinstance(body, ast.List) else []
        calls = [_call(item) for item in items]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise NotACallError from None
    if not calls:
        raise NotACallError
    return calls


def _call(node: ast.expr) -> tuple[str, str]:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.args:
        raise ValueError
    names = [keyword.arg for keyword in node.keywords]
    if None in names:
        raise ValueError
    values = {str(keyword.arg): _literal(keyword.value) for keyword in node.keywords}
    return node.func.id, json.dumps(values, ensure_ascii=False, allow_nan=False)


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        # JSON writes one character as two escapes, which Python takes for two; half a pair is an error.
        return node.value.encode("utf-16", "surrogatepass").decode("utf-16")
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float | None):
        return node.value
    if isinstance(node, ast.List | ast.Tuple):
        return [_literal(item) for item in node.elts]
    if isinstance(node, ast.Dict):
        keys = [_literal(key) if key is not None else None for key in node.keys]
        if not all(isinstance(key, str) for key in keys):
            raise ValueError
        return dict(zip(keys, map(_literal, node.values), strict=True))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _literal(node.operand)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return -value
    if isinstance(node, ast.Name) and node.id in _WORDS:
        return _WORDS[node.id]
    raise ValueError
