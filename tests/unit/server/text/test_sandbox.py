from __future__ import annotations

import re

import pytest

from argosy.server.text import sandbox


def rendered(source: str, **variables: object) -> str:
    return sandbox.render(sandbox.compile_template(sandbox.environment(), source), variables)


def test_tojson_does_not_escape_html_and_keeps_key_order() -> None:
    """Models were trained on plain JSON."""
    assert rendered("{{ x|tojson }}", x={"b": "<é>", "a": 1}) == '{"b": "<é>", "a": 1}'
    assert rendered("{{ x|tojson(indent=2) }}", x={"b": 1}) == '{\n  "b": 1\n}'


def test_blocks_leave_no_blank_lines() -> None:
    """`trim_blocks` and `lstrip_blocks` are on."""
    assert rendered("a\n  {% if true %}\nb\n  {% endif %}\nc") == "a\nb\nc"


def test_loops_can_be_left() -> None:
    """`break` and `continue` are known."""
    source = (
        "{% for i in range(9) %}{% if i == 1 %}{% continue %}{% endif %}"
        "{% if i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}"
    )
    assert rendered(source) == "023"


def test_generation_blocks_are_transparent() -> None:
    """They only matter in training."""
    assert rendered("a{% generation %}{{ x }}{% endgeneration %}c", x="b") == "abc"


def test_the_date_can_be_written() -> None:
    """`strftime_now` formats the local time."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", rendered("{{ strftime_now('%Y-%m-%d') }}"))


def test_a_template_can_refuse() -> None:
    """In its own words."""
    with pytest.raises(sandbox.TemplateRefusal, match="no"):
        rendered("{{ raise_exception('no') }}")


def test_nothing_given_can_be_changed() -> None:
    """The sandbox is immutable."""
    with pytest.raises(sandbox.TemplateError):
        rendered("{{ x.update({'a': 2}) }}", x={"a": 1})
