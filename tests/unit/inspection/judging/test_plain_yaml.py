from __future__ import annotations

import pytest

from argosy.core.errors import InvalidRequest, PayloadTooLarge
from argosy.inspection.judging.plain_yaml import MOST_BYTES, read_plain_yaml

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
"""Nine lists that stand for 9^9 words."""


def test_plain_data_is_read() -> None:
    """Mappings, lists, text, numbers and booleans; JSON is YAML too."""
    assert read_plain_yaml("a: {b: [1, 2.5, x, true]}\n") == {"a": {"b": [1, 2.5, "x", True]}}
    assert read_plain_yaml(b'{"a": [null]}') == {"a": [None]}


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    """Editors on other systems write one."""
    assert read_plain_yaml(b"\xef\xbb\xbfa: 1") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        (BOMB, "line 1, column 4", "anchors and aliases are not allowed; write the value out"),
        ("a: &x 1", "line 1, column 4", "anchors and aliases are not allowed; write the value out"),
        ("&k a: 1", "line 1, column 1", "anchors and aliases are not allowed; write the value out"),
        ("a: &x\n  b: *x", "line 1, column 4", "anchors and aliases are not allowed; write the value out"),
        ("a: *x", "line 1, column 4", "anchors and aliases are not allowed; write the value out"),
        ("a: !!python/object/apply:os.system [ls]", "line 1, column 4", "tags are not allowed"),
        ("a: !mine {b: 1}", "line 1, column 4", "tags are not allowed"),
        ("a: !!str 1", "line 1, column 4", "tags are not allowed"),
        ("a: 1\nb: 2\na: 3", "line 3, column 1", "the key 'a' is given twice"),
        ("x:\n  - {a: 1, a: 1}", "line 2, column 12", "the key 'a' is given twice"),
        ("<<: {a: 1}", "line 1, column 1", "'<<' is not allowed"),
        ("a: " + "9" * 5000, "line 1, column 4", "a number or a date has no value"),
        ("a: 2026-13-45", "line 1, column 4", "a number or a date has no value"),
        ("[" * 13 + "]" * 13, "line 1, column 13", "it is nested more than 12 deep"),
        ("[" * 30000, "line 1, column 13", "it is nested more than 12 deep"),
    ],
)
def test_what_is_unsafe_or_misread_is_refused(text: str, where: str, what: str) -> None:
    """The message says where it stands and what to do; nothing is built of it."""
    with pytest.raises(InvalidRequest) as refused:
        read_plain_yaml(text)
    assert refused.value.message == f"The rule set cannot be read at {where}: {what}."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "The rule set is not valid YAML at line 1, column 6."),
        ("a: 1\n b: 2", "The rule set is not valid YAML at line 2, column 3."),
        ("a: 1\n---\nb: 2", "The rule set is not valid YAML at line 2, column 1."),
        ("? [1]\n: 2", "The rule set is not valid YAML at line 1, column 3."),
        ("a: \x00", "The rule set holds characters that YAML does not allow."),
        (b"a: \xff\xfe", "The rule set is not UTF-8 text."),
    ],
)
def test_what_is_not_yaml_is_refused(text: str | bytes, message: str) -> None:
    """In words of its own and not the library's."""
    with pytest.raises(InvalidRequest) as refused:
        read_plain_yaml(text)
    assert refused.value.message == message


@pytest.mark.parametrize("extra", ["", b"", "\u00e9"])
def test_a_long_document_is_refused_before_it_is_read(extra: str | bytes) -> None:
    """The limit counts bytes, and the last byte still fits."""
    full = "#" * (MOST_BYTES - 2)
    assert read_plain_yaml(full + "\u00e9") is None
    with pytest.raises(PayloadTooLarge, match="64 KiB"):
        read_plain_yaml((full + "###").encode() if isinstance(extra, bytes) else full + "#" + (extra or "##"))
