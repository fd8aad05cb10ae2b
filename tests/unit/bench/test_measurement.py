import json
import math

import pytest

from bench.measurement import Measurement, at_least, at_most


@pytest.mark.parametrize(
    ("bar", "value", "kept"),
    [
        (at_least(0.6), 0.6, True),
        (at_least(0.6), 0.59, False),
        (at_most(10), 10.0, True),
        (at_most(10), 10.1, False),
        (at_least(1), math.nan, False),
        (at_most(1), math.nan, False),
    ],
)
def test_bar(bar, value: float, kept: bool) -> None:
    """A bar is kept on its right side and on the limit itself, never by a missing figure."""
    assert bar.kept_by(value) is kept


def test_without_bar_there_is_no_verdict() -> None:
    """A figure that is only reported is neither met nor missed."""
    item = Measurement("a", 1.0, "x", None, "by hand")
    assert item.met is None
    assert item.verdict == "-"


def test_mapping_holds_the_verdict() -> None:
    """The JSON form has the value, the bar in words and the verdict."""
    item = Measurement("a", 0.5, "x", at_least(0.6), "by hand", {"raw/s": 1000.0})
    assert json.loads(json.dumps(item.to_mapping())) == {
        "name": "a",
        "value": 0.5,
        "unit": "x",
        "bar": ">= 0.6",
        "met": False,
        "how": "by hand",
        "details": {"raw/s": 1000.0},
    }
