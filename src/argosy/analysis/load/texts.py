"""Texts of natural length: most are short, some are long, none is like another."""

from __future__ import annotations

import math
import random

MEDIAN_WORDS = 16
DISTINCT = 8192
"""More than any execution holds, so that no two texts of one are equal."""
_SPREAD = 0.7
"""Of the logarithm of the length: nine in ten are between 5 and 50 words for a median of 16."""
_SHORTEST = 2

_VOCABULARY = (
    "a about after again all also always an and another any are around as at away back because been before being "
    "below best better between both bring by call came can change city clear close cold come could country cut day "
    "did different do does door down each early earth easy eight end enough even ever every face fact family far "
    "father feel field find first five follow food for form found four friend from full gave get give go good great "
    "group grow had half hand hard has have he head hear help her here high him his hold home hot hour house how "
    "hundred idea if important in into island it its just keep kind know land large last late learn leave left letter "
    "life light line list little live long look low made make man many map may measure might mind money month more "
    "morning most mother mountain move much music must name near need never new next night no north not note now "
    "number of off often old on once one only open or order other our out over own page paper part people place plan "
    "plant point power problem pull question rain reach read ready real reason red remember rest right river road "
    "rock room round rule run said same school science sea second see seem sentence set several she ship short should "
    "show side simple since sit six size sleep slow small snow so some song soon sound south space stand star start "
    "state step still stop story street strong study such summer sun sure surface system table take talk teach tell "
    "ten test than that the their them then there these they thing think this those thought three through time to "
    "together too took top town travel tree true try turn two under until up upon us use very voice walk want war "
    "warm was watch water way we week weight well went were west what wheel when where which while white who whole "
    "why will wind winter with without wonder wood word work world would write year yes yet you young your"
)
_WORDS = _VOCABULARY.split()


class Texts:
    """Sentences drawn from a seed: the n-th is the same in every run.

    Args:
        longest: words in the longest.
        median: words that half of them do not exceed.
    """

    def __init__(self, longest: int, median: int = MEDIAN_WORDS) -> None:
        self._longest = max(_SHORTEST, longest)
        self._median = min(median, self._longest)
        self._made: dict[int, str] = {}

    def at(self, number: int) -> str:
        """The sentence of this number; the same one again after `DISTINCT`."""
        number %= DISTINCT
        if number not in self._made:
            # Kept, because making one takes as long as sending it.
            self._made[number] = self._make(number)
        return self._made[number]

    def _make(self, number: int) -> str:
        chance = random.Random(number)  # noqa: S311 - test data
        length = round(self._median * math.exp(chance.gauss(0.0, _SPREAD)))
        words = chance.choices(_WORDS, k=min(self._longest, max(_SHORTEST, length)))
        return f"{' '.join(words).capitalize()}."
