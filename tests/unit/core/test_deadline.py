from __future__ import annotations

import math

import pytest

from argosy.core.deadline import NEVER, Deadline
from argosy.core.errors import DeadlineExceeded


def test_a_passed_deadline_raises_and_has_nothing_left() -> None:
    """After its point in time a deadline refuses to go on."""
    deadline = Deadline.after(-1)
    assert deadline.passed
    assert deadline.remaining == 0
    with pytest.raises(DeadlineExceeded):
        deadline.check()


def test_a_future_deadline_lets_pass() -> None:
    """Before its point in time a deadline says how much is left."""
    deadline = Deadline.after(60)
    deadline.check()
    assert 0 < deadline.remaining <= 60


def test_never_never_passes() -> None:
    """Without a deadline there is always time."""
    assert NEVER.remaining == math.inf
    NEVER.check()
