from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from argosy.inspection.outputs.components import components

Mask = NDArray[np.bool_]

MAPS = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda size: hnp.arrays(np.float64, size, elements=st.sampled_from([0.0, 0.4, 0.6, 1.0]))
)


def drawn(*rows: str) -> Mask:
    return np.array([[pixel != "." for pixel in row] for row in rows])


def flooded(weak: Mask) -> list[set[tuple[int, int]]]:
    """Components by flooding from one pixel after the other."""
    left = {(int(row), int(column)) for row, column in zip(*np.nonzero(weak), strict=True)}
    found = []
    for seed in sorted(left):
        if seed not in left:
            continue
        component, edge = set(), [seed]
        left.discard(seed)
        while edge:
            row, column = edge.pop()
            component.add((row, column))
            near = {(row + down, column + across) for down in (-1, 0, 1) for across in (-1, 0, 1)} & left
            left -= near
            edge += near
        found.append(component)
    return found


@given(MAPS, st.integers(1, 4))
def test_components_are_those_of_flooding(values: NDArray[np.float64], least: int) -> None:
    """Pixels, area, box, centre, mean and peak of every component agree with a plain flood fill."""
    found = components(values >= 0.4, values >= 1.0, min_area=least)
    expected = [
        component
        for component in flooded(values >= 0.4)
        if len(component) >= least and any(values[pixel] >= 1.0 for pixel in component)
    ]
    assert len(found) == len(expected)
    masks = found.masks(np.arange(len(found)))
    means = found.mean(values.ravel()[found.pixels])
    peaks = found.peak(values.ravel()[found.pixels])
    for index, component in enumerate(expected):
        rows, columns = zip(*component, strict=True)
        assert {tuple(pixel) for pixel in np.argwhere(masks[index].decode()).tolist()} == component
        assert found.areas[index] == len(component)
        assert found.boxes[index].tolist() == [min(columns), min(rows), max(columns) + 1, max(rows) + 1]
        assert found.centroids[index] == pytest.approx([np.mean(columns) + 0.5, np.mean(rows) + 0.5])
        assert means[index] == pytest.approx(np.mean([values[pixel] for pixel in component]))
        assert peaks[index] == max(values[pixel] for pixel in component)


def test_corners_touch() -> None:
    """A diagonal scratch is one component."""
    assert components(drawn("#...", ".#..", "..#.", "...#")).areas.tolist() == [4]


def test_one_strong_pixel_carries_its_weak_neighbours() -> None:
    """Of two weak regions, the one with a strong pixel counts, whole."""
    weak = drawn("###..##", "###..##")
    strong = drawn(".......", "#......")
    found = components(weak, strong)
    assert found.boxes.tolist() == [[0, 0, 3, 2]]
    assert found.areas.tolist() == [6]


def test_a_strong_pixel_outside_of_the_weak_ones_is_nothing() -> None:
    """What is strong and not weak makes no component."""
    assert len(components(drawn("#...", "...."), drawn("....", "...#"))) == 0


def test_small_ones_go() -> None:
    """The least area itself is large enough."""
    found = components(drawn("##..#", "##..#", "....#", "#...."), min_area=3)
    assert found.areas.tolist() == [4, 3]


def test_the_majority_names() -> None:
    """The commonest label of a component's pixels; the lowest number at a tie."""
    found = components(drawn("###.##"))
    assert found.majority(np.array([2, 0, 2, 1, 0]), 3).tolist() == [2, 0]


def test_means_of_several_columns() -> None:
    """Values of shape [pixels, k] give means of shape [components, k]."""
    found = components(drawn("##.#"))
    means = found.mean(np.array([[0.0, 1.0], [1.0, 1.0], [0.25, 0.5]]))
    assert means.tolist() == [[0.5, 1.0], [0.25, 0.5]]


def test_an_empty_map_has_none() -> None:
    """Nothing weak, nothing found, in arrays of the promised shapes."""
    found = components(np.zeros((3, 4), dtype=np.bool_))
    assert (len(found), found.boxes.shape, found.centroids.shape) == (0, (0, 4), (0, 2))
    assert found.masks(np.arange(0)) == []
