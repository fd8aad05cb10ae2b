"""Which parts of a grammar can come to an end at all, in time linear in its size."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence


class Endings:
    """Things made of other things, themselves included: some end when every part does, some when any does.

    What needs itself to end, directly or through others, never ends.
    """

    def __init__(self) -> None:
        self._missing: list[int] = []
        self._users: list[list[int]] = []

    def reserve(self) -> int:
        """A thing whose parts are told later; until then it does not end."""
        self._missing.append(1)
        self._users.append([])
        return len(self._missing) - 1

    def every(self, parts: Iterable[int]) -> int:
        """A thing that ends when all its parts do; without parts it ends."""
        return self._define(self.reserve(), tuple(parts), -1)

    def some(self, parts: Iterable[int]) -> int:
        """A thing that ends when one of its parts does; without parts it does not."""
        return self._define(self.reserve(), tuple(parts), 1)

    def equate(self, thing: int, part: int) -> None:
        """Tell the one part of a reserved thing."""
        self._define(thing, (part,), 1)

    def solve(self) -> list[bool]:
        """Whether each thing, by its number, can end. To be called once."""
        ready = deque(thing for thing, missing in enumerate(self._missing) if missing == 0)
        ends = [missing == 0 for missing in self._missing]
        while ready:
            for user in self._users[ready.popleft()]:
                self._missing[user] -= 1
                if self._missing[user] == 0:
                    ends[user] = True
                    ready.append(user)
        return ends

    def _define(self, thing: int, parts: Sequence[int], needed: int) -> int:
        self._missing[thing] = len(parts) if needed < 0 else needed
        for part in parts:
            self._users[part].append(thing)
        return thing
