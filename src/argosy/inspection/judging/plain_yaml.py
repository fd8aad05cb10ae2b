"""YAML as plain data, without what a rule set does not need and what is unsafe or misread.

Refused: anchors and aliases (a few lines can stand for gigabytes), tags, merge keys, a key that is given twice (YAML
readers keep the last and say nothing), deep nesting and long documents.
"""

from __future__ import annotations

from typing import Any

import yaml

from argosy.core.errors import InvalidRequest, PayloadTooLarge

MOST_BYTES = 64 * 1024
_MOST_DEPTH = 12
_MERGE = "tag:yaml.org,2002:merge"


def read_plain_yaml(document: str | bytes) -> Any:
    """Mappings, lists, text, numbers, booleans and None; also dates and bytes, which YAML knows.

    Raises:
        PayloadTooLarge: the document has more than `MOST_BYTES` bytes.
        InvalidRequest: it is not one YAML document, or holds what is refused; the message says where.
    """
    content = document.encode("utf-8", errors="replace") if isinstance(document, str) else document
    if len(content) > MOST_BYTES:
        raise PayloadTooLarge(f"A rule set may have {MOST_BYTES // 1024} KiB; this one has {len(content)} bytes.")
    try:
        return _parsed(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise InvalidRequest("The rule set is not UTF-8 text.") from None
    except yaml.MarkedYAMLError as error:
        where = _at(error.problem_mark or error.context_mark)
        raise InvalidRequest(f"The rule set is not valid YAML{where}.") from None
    except yaml.YAMLError:
        raise InvalidRequest("The rule set holds characters that YAML does not allow.") from None


def _parsed(text: str) -> Any:
    loader = _PlainLoader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


class _PlainLoader(yaml.SafeLoader):
    """Refuses while it composes, so that nothing is built of what is refused."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _refused("anchors and aliases are not allowed; write the value out", event.start_mark)
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            raise _refused("tags are not allowed", event.start_mark)
        if self._depth >= _MOST_DEPTH:
            raise _refused(f"it is nested more than {_MOST_DEPTH} deep", event.start_mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, OverflowError):
            raise _refused("a number or a date has no value", node.start_mark) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.tag == _MERGE:
                raise _refused("'<<' is not allowed", key.start_mark)
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise _refused(f"the key {key.value[:64]!r} is given twice", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def _refused(what: str, mark: Any) -> InvalidRequest:
    return InvalidRequest(f"The rule set cannot be read{_at(mark)}: {what}.")


def _at(mark: Any) -> str:
    return "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1}"
