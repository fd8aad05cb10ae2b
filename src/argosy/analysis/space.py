"""What may be changed about a model, and to which values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from argosy.core.errors import InvalidSetting
from argosy.core.tensors import Tensor

Value = int | str
"""A whole number, which has an order, or a word, which has none."""

LARGEST = 50_000
"""Most configurations of a space; more would not be looked at within any budget."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """One choice for every dimension of a space.

    Attributes:
        items: name and value, in the order of the space's dimensions.
    """

    items: tuple[tuple[str, Value], ...]

    @classmethod
    def of(cls, values: Mapping[str, Value]) -> Configuration:
        """The configuration with these values, in their order."""
        return cls(tuple(values.items()))

    def get(self, name: str) -> Value | None:
        """The value of a dimension, or None when it is not among the dimensions."""
        return next((value for key, value in self.items if key == name), None)

    def to_mapping(self) -> dict[str, Value]:
        """Plain data for JSON."""
        return dict(self.items)

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.items)


@dataclass(frozen=True, slots=True)
class Dimension:
    """One setting and the values to choose from.

    Attributes:
        values: distinct, at least one; numbers ascending.
    """

    name: str
    values: tuple[Value, ...]

    @property
    def ordered(self) -> bool:
        """Whether neighbours in `values` are alike."""
        return all(isinstance(value, int) for value in self.values)

    def place(self, value: Value) -> float:
        """Where a value stands among the others, from 0 for the first to 1 for the last.

        Numbers beside the listed ones stand between their neighbours or at an end. By rank rather than by size: the
        steps of a list are the ones that somebody found worth trying.
        """
        if len(self.values) == 1:
            return 0.0
        if value in self.values:
            return self.values.index(value) / (len(self.values) - 1)
        if not self.ordered or not isinstance(value, int):
            return 0.0
        known = [float(item) for item in self.values]
        return float(np.interp(float(value), known, np.linspace(0.0, 1.0, len(known))))


@dataclass(frozen=True, slots=True)
class Space:
    """Every configuration that may be tried.

    Attributes:
        processors: that all instances share; bounds `instances` times `threads`.
    """

    dimensions: tuple[Dimension, ...]
    processors: int = 1 << 16

    @property
    def size(self) -> int:
        """How many configurations there are."""
        return sum(1 for _ in self.configurations())

    def configurations(self) -> Iterator[Configuration]:
        """Every allowed configuration.

        Raises:
            InvalidSetting: there are more than `LARGEST`.
        """
        total = math.prod(len(dimension.values) for dimension in self.dimensions)
        if total > LARGEST:
            raise InvalidSetting(f"The space has {total:,} configurations; list fewer values, {LARGEST:,} at most.")
        names = [dimension.name for dimension in self.dimensions]
        for values in itertools.product(*(dimension.values for dimension in self.dimensions)):
            configuration = Configuration(tuple(zip(names, values, strict=True)))
            if self.allows(configuration):
                yield configuration

    def allows(self, configuration: Configuration) -> bool:
        """Whether the values go together.

        More streams than threads cannot be compiled. Instances that together want more than twice the processors only
        wait for one another.
        """
        threads, streams = configuration.get("threads"), configuration.get("streams")
        if isinstance(threads, int) and isinstance(streams, int) and streams > threads:
            return False
        instances = configuration.get("instances")
        wanted = (threads if isinstance(threads, int) else 1) * (instances if isinstance(instances, int) else 1)
        return wanted <= 2 * self.processors

    def encode(self, configurations: Sequence[Configuration]) -> Tensor:
        """Coordinates for the surrogate: FP64 [configurations, features], every feature from 0 to 1.

        A dimension with an order is one feature; a word is one feature a value, 1 where it is chosen.
        """
        columns = [self._columns(dimension, configurations) for dimension in self.dimensions]
        return np.hstack(columns) if columns else np.zeros((len(configurations), 0))

    def _columns(self, dimension: Dimension, configurations: Sequence[Configuration]) -> Tensor:
        chosen = [configuration.get(dimension.name) for configuration in configurations]
        if dimension.ordered:
            return np.array([[dimension.place(value) if value is not None else 0.0] for value in chosen])
        return np.array([[float(value == item) for item in dimension.values] for value in chosen])

    def to_mapping(self) -> dict[str, list[Value]]:
        """Plain data for JSON: values by name."""
        return {dimension.name: list(dimension.values) for dimension in self.dimensions}

    @classmethod
    def of(cls, values: Mapping[str, Sequence[Value]], processors: int = 1 << 16) -> Space:
        """The space with these values by name; numbers are put in order, repeats dropped.

        Raises:
            InvalidSetting: a name without values, or with numbers and words mixed.
        """
        return cls(tuple(_dimension(name, given) for name, given in values.items()), processors)


def _dimension(name: str, given: Sequence[Value]) -> Dimension:
    values = tuple(dict.fromkeys(given))
    if not values:
        raise InvalidSetting(f"The space's {name!r} has no values; list at least one, or leave it out.")
    numbers = [value for value in values if isinstance(value, int)]
    if numbers and len(numbers) < len(values):
        raise InvalidSetting(f"The space's {name!r} mixes numbers and words; write all of one kind.")
    return Dimension(name, tuple(sorted(numbers)) if numbers else values)
