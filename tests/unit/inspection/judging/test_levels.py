from __future__ import annotations

import itertools

import pytest

from argosy.inspection.judging.levels import Severity, Verdict


@pytest.mark.parametrize("scale", [Severity, Verdict])
def test_levels_sort_by_how_bad_they_are(scale: type[Severity | Verdict]) -> None:
    """Each comparison follows the order of the definition, not that of the alphabet."""
    for (left, mild), (right, bad) in itertools.product(enumerate(scale), repeat=2):
        assert (mild < bad, mild <= bad, mild > bad, mild >= bad) == (
            left < right,
            left <= right,
            left > right,
            left >= right,
        )
        assert (mild == bad) == (left == right)


def test_the_worst_is_the_maximum() -> None:
    """`max` and `sorted` find the worst."""
    assert max(Verdict.PASS, Verdict.FAIL, Verdict.REVIEW) is Verdict.FAIL
    assert sorted(["high", Severity.NONE, Severity.LOW], key=Severity) == ["none", "low", "high"]
    assert [severity.rank for severity in Severity] == [0, 1, 2, 3, 4]


def test_levels_are_their_words() -> None:
    """They are written as the words that rule sets use."""
    assert f"{Severity.HIGH} {Verdict.REVIEW}" == "high REVIEW"
