from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argosy.inspection.judging.conditions import Condition, Measure, Range
from argosy.inspection.judging.zones import Outside, Rectangle, Zone
from tests.unit.inspection.judging.examples import inspection, seen

ZONES = {
    "pad": Zone("pad", (Rectangle((0.1, 0.1, 0.2, 0.2)),)),
    "edge": Zone("edge", (Outside((0.05, 0.05, 0.95, 0.95)),)),
}

_bounds = st.none() | st.sampled_from([1.0, 2.0, 5.0, 10.0])
_ranges = st.builds(Range, _bounds, _bounds).filter(
    lambda wanted: wanted.at_least is None or wanted.below is None or wanted.at_least < wanted.below
)
_names = st.frozensets(st.sampled_from(["scratch", "crack"]))
_zones = st.frozensets(st.sampled_from(["pad", "edge"]))
_conditions = st.builds(
    Condition,
    classes=_names,
    sizes=st.dictionaries(st.sampled_from(list(Measure)), _ranges, max_size=2).map(lambda sizes: tuple(sizes.items())),
    touches=_zones,
    inside=_zones,
)
_defects = st.builds(
    seen,
    st.sampled_from(["scratch", "crack", "stain"]),
    box=st.sampled_from(
        [(500.0, 500.0, 510.0, 510.0), (110.0, 110.0, 150.0, 150.0), (0.0, 0.0, 40.0, 40.0), (0.0, 0.0, 150.0, 150.0)]
    ),
    area_px=st.sampled_from([0.5, 1.0, 3.0, 7.0, 20.0]),
    length_px=st.sampled_from([None, 0.5, 1.0, 3.0, 7.0, 20.0]),
)


@pytest.mark.parametrize(
    ("value", "held"), [(9.99, False), (10.0, True), (19.99, True), (20.0, False)], ids=["less", "from", "to", "more"]
)
def test_a_range_has_its_lower_end_only(value: float, held: bool) -> None:
    """So that ranges can adjoin without a gap or an overlap."""
    assert (value in Range(10, 20)) is held


@pytest.mark.parametrize(
    ("measure", "size"),
    [
        (Measure.AREA_PX, 100.0),
        (Measure.AREA_UM2, 25.0),
        (Measure.LENGTH_PX, 20.0),
        (Measure.LENGTH_UM, 10.0),
    ],
)
def test_sizes_on_the_die_come_from_the_pixel_size(measure: Measure, size: float) -> None:
    """A length scales with the edge of a pixel and an area with its square."""
    assert measure.of(seen(), 0.5) == size


def test_a_size_that_was_not_measured_is_none() -> None:
    """Neither a length without one nor micrometres without a pixel size are made up."""
    assert Measure.AREA_UM2.of(seen(), None) is None
    assert Measure.LENGTH_UM.of(seen(), None) is None
    assert Measure.LENGTH_PX.of(seen(length_px=None), 0.5) is None
    assert Measure.LENGTH_UM.of(seen(length_px=None), 0.5) is None


def test_all_parts_must_hold() -> None:
    """Class, size and place each can fail it."""
    condition = Condition(
        classes=frozenset({"crack", "scratch"}),
        sizes=((Measure.AREA_PX, Range(at_least=50)),),
        touches=frozenset({"pad"}),
    )
    on_pad = (150.0, 150.0, 300.0, 300.0)
    assert condition.met_by(seen(box=on_pad), inspection(), ZONES) is True
    assert condition.met_by(seen("stain", box=on_pad), inspection(), ZONES) is False
    assert condition.met_by(seen(box=on_pad, area_px=49.0), inspection(), ZONES) is False
    assert condition.met_by(seen(), inspection(), ZONES) is False


def test_one_zone_of_several_is_enough() -> None:
    """`inside: [pad, edge]` is inside of either."""
    condition = Condition(inside=frozenset({"pad", "edge"}))
    assert condition.met_by(seen(box=(110.0, 110.0, 120.0, 120.0)), inspection(), ZONES) is True
    assert condition.met_by(seen(box=(0.0, 0.0, 50.0, 50.0)), inspection(), ZONES) is True
    assert condition.met_by(seen(box=(0.0, 0.0, 120.0, 120.0)), inspection(), ZONES) is False


def test_places_are_on_the_die_and_not_in_the_frame() -> None:
    """The same pixels are another place when the die lies elsewhere."""
    condition = Condition(inside=frozenset({"pad"}))
    defect = seen(box=(510.0, 510.0, 515.0, 515.0))
    assert condition.met_by(defect, inspection(), ZONES) is False
    assert condition.met_by(defect, inspection(die=(500.0, 500.0, 600.0, 600.0)), ZONES) is True


def test_what_is_not_known_hangs_only_where_it_decides() -> None:
    """A condition that fails for another reason is not met, whatever the size."""
    condition = Condition(classes=frozenset({"crack"}), sizes=((Measure.LENGTH_UM, Range(at_least=5)),))
    assert condition.met_by(seen("crack"), inspection(), ZONES) is None
    assert condition.met_by(seen("scratch"), inspection(), ZONES) is False
    both = Condition(sizes=((Measure.LENGTH_UM, Range(at_least=5)), (Measure.AREA_PX, Range(below=10))))
    assert both.met_by(seen(area_px=100.0), inspection(), ZONES) is False


@given(_conditions, _conditions, _defects, st.sampled_from([None, 1.0, 0.3]))
@settings(max_examples=200, deadline=None)
def test_a_condition_holds_for_all_that_it_covers(wider, narrower, defect, pixel) -> None:
    """Whatever meets a covered condition meets the one that covers it."""
    if wider.covers(narrower) and narrower.met_by(defect, inspection(pixel_size_um=pixel), ZONES):
        assert wider.met_by(defect, inspection(pixel_size_um=pixel), ZONES)


@given(_conditions)
@settings(deadline=None)
def test_a_condition_covers_itself_and_less(condition: Condition) -> None:
    """Anything is covered by itself and by no condition at all."""
    assert condition.covers(condition)
    assert Condition().covers(condition)


@pytest.mark.parametrize(
    ("wider", "narrower"),
    [
        (Condition(classes=frozenset("ab")), Condition(classes=frozenset("a"))),
        (Condition(sizes=((Measure.AREA_PX, Range(5)),)), Condition(sizes=((Measure.AREA_PX, Range(6, 9)),))),
        (Condition(touches=frozenset({"pad"})), Condition(inside=frozenset({"pad"}))),
        (Condition(touches=frozenset({"pad", "edge"})), Condition(touches=frozenset({"pad"}))),
    ],
)
def test_a_narrower_condition_is_covered_and_covers_not(wider: Condition, narrower: Condition) -> None:
    """In each of its parts; to lie inside of a zone is to touch it."""
    assert wider.covers(narrower)
    assert not narrower.covers(wider)
