import click
import pytest

from bench.__main__ import SUBJECTS, _load, choose


def test_everything_by_default() -> None:
    """Without a choice every subject is measured."""
    assert choose("") == list(SUBJECTS)


def test_choice_keeps_the_order_of_a_full_run() -> None:
    """Subjects run in one order, however they were named."""
    assert choose(" chat, start") == ["start", "chat"]


def test_unknown_subject_is_refused() -> None:
    """A wrong name says what there is."""
    with pytest.raises(click.UsageError, match="unknown: speed; known: start"):
        choose("speed")


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_subject_can_be_measured(subject: str) -> None:
    """Each name in the table leads to a function."""
    assert callable(_load(SUBJECTS[subject]))
