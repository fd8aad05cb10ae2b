"""Stop texts end an answer at the same place however the text is cut into pieces."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from argosy.engines.text.stop import StopMatcher

SMALL = st.text(alphabet="ab", max_size=12)
STOPS = st.lists(st.text(alphabet="ab", min_size=1, max_size=4), min_size=1, max_size=3)


def cut(text: str, places: list[int]) -> list[str]:
    """The text in pieces."""
    bounds = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[begin:end] for begin, end in pairwise(bounds)]


def read(matcher: StopMatcher, pieces: list[str]) -> str:
    """The answer that the pieces make."""
    answer = ""
    for piece in pieces:
        answer += matcher.push(piece)
        if matcher.matched:
            return answer
    return answer + matcher.finish()


@given(SMALL, STOPS, st.lists(st.integers(0, 100)), st.booleans())
@settings(max_examples=500)
def test_the_cut_does_not_matter(text: str, stops: list[str], places: list[int], include: bool) -> None:
    """However the text is cut, the answer is that of reading it letter by letter."""
    letters, pieces = StopMatcher(stops, include=include), StopMatcher(stops, include=include)
    assert read(pieces, cut(text, places)) == read(letters, list(text))
    assert pieces.matched == letters.matched == any(stop in text for stop in stops)


@given(SMALL, STOPS)
def test_the_answer_holds_no_stop_text(text: str, stops: list[str]) -> None:
    """No stop text is in the answer, and without one the answer is the whole text."""
    matcher = StopMatcher(stops)
    answer = read(matcher, list(text))
    assert not any(stop in answer for stop in stops)
    assert text.startswith(answer)
    assert matcher.matched or answer == text


@given(SMALL, STOPS)
def test_only_what_may_become_a_stop_text_is_held_back(text: str, stops: list[str]) -> None:
    """What is held back is the beginning of a stop text, and the longest such end of the text."""
    matcher = StopMatcher(stops)
    given_out = matcher.push(text)
    if matcher.matched:
        return
    held = text[len(given_out) :]
    assert not held or any(stop.startswith(held) for stop in stops)
    longer = [text[start:] for start in range(len(given_out))]
    assert not any(stop.startswith(end) for stop in stops for end in longer)


def test_the_stop_text_that_ends_first_wins() -> None:
    """A short stop text inside a longer one ends the answer before the longer one is complete."""
    assert read(StopMatcher(["abcd", "bc"]), ["abcd"]) == "a"


def test_of_two_that_end_together_the_longer_is_left_out() -> None:
    """Two stop texts with the same end: the longer one is removed."""
    assert read(StopMatcher(["c", "abc"]), ["xabc"]) == "x"


def test_the_stop_text_can_be_kept() -> None:
    """With `include` the answer ends with the stop text."""
    assert read(StopMatcher(["END"], include=True), ["one E", "ND two"]) == "one END"
