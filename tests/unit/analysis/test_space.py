"""Spaces of configurations."""

from __future__ import annotations

import pytest

from argosy.analysis.space import Configuration, Dimension, Space
from argosy.core.errors import InvalidSetting


def test_every_allowed_combination_is_there_once() -> None:
    """The space is the product of its dimensions without what cannot go together."""
    space = Space.of({"threads": [1, 2], "streams": [1, 2], "precision": ["f32", "bf16"]}, processors=2)
    found = list(space.configurations())
    assert len(found) == len(set(found)) == space.size == 6
    assert all(item.get("streams") <= item.get("threads") for item in found)


def test_instances_do_not_ask_for_more_than_twice_the_processors() -> None:
    """Threads of all instances together are bounded."""
    space = Space.of({"instances": [1, 2, 4], "threads": [1, 2]}, processors=2)
    assert {(item.get("instances"), item.get("threads")) for item in space.configurations()} == {
        (1, 1),
        (1, 2),
        (2, 1),
        (2, 2),
        (4, 1),
    }


def test_numbers_are_put_in_order() -> None:
    """Neighbours in a list of numbers are neighbours in size."""
    assert Space.of({"instances": [4, 1, 2, 1]}).dimensions[0].values == (1, 2, 4)


@pytest.mark.parametrize("values", [{"instances": []}, {"instances": [1, "two"]}])
def test_a_dimension_without_sense_is_refused(values: dict[str, list[int | str]]) -> None:
    """No values, or numbers and words mixed."""
    with pytest.raises(InvalidSetting, match="instances"):
        Space.of(values)


def test_a_space_that_nobody_could_search_is_refused() -> None:
    """The message says how many there are."""
    space = Space.of({f"setting_{number}": list(range(20)) for number in range(4)})
    with pytest.raises(InvalidSetting, match="160,000"):
        list(space.configurations())


@pytest.mark.parametrize(("value", "place"), [(0, 0.0), (500, 0.5), (2000, 1.0), (250, 0.25), (9000, 1.0)])
def test_numbers_stand_by_their_rank(value: int, place: float) -> None:
    """Values beside the listed ones stand between their neighbours or at the end."""
    assert Dimension("queue_delay_us", (0, 500, 2000)).place(value) == pytest.approx(place)


def test_words_are_equally_far_apart() -> None:
    """A word has a coordinate of its own, so that no order is made up."""
    space = Space.of({"precision": ["f32", "bf16", "f16"], "threads": [1, 2]})
    coordinates = space.encode([Configuration.of({"precision": "bf16", "threads": 2})])
    assert coordinates.tolist() == [[0.0, 1.0, 0.0, 1.0]]
