"""What a measurement found, as values that go to the journal and come back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from argosy.analysis.space import Configuration


@dataclass(frozen=True, slots=True)
class Level:
    """One configuration under one closed-loop load, warm-up excluded.

    Attributes:
        concurrency: requests in flight at all times.
        throughput: what is worth counting, a second: output tokens of a language model, else requests.
        requests_per_second: requests answered, a second.
        p50_ms, p90_ms, p99_ms: from sending a request to the end of its answer.
        first_p99_ms: to the first piece of a streamed answer; 0 where answers come whole.
        cpu_seconds_per_1k: processor time of Triton and its model processes for a thousand requests.
        rss_bytes: resident memory of the model's processes, added up.
        spread: difference between the best and the worst of the windows that count, as a share of their mean.
        stable: whether the last three windows agreed before the tries were used up.
        requests: answered within the windows that count.
        seconds: length of those windows.
        errors: requests that failed in them.
    """

    concurrency: int
    throughput: float
    requests_per_second: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    first_p99_ms: float
    cpu_seconds_per_1k: float
    rss_bytes: int
    spread: float
    stable: bool
    requests: int
    seconds: float
    errors: int = 0

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> Level:
        """The inverse of `to_mapping`."""
        return cls(**data)


@dataclass(frozen=True, slots=True)
class Trial:
    """One configuration and what it did.

    Attributes:
        number: from 1, in the order of the search.
        current: measured with the model's own config as it is; `configuration` says what that amounts to.
        levels: by ascending concurrency; empty when it failed.
        failure: why it could not be measured, in words; empty when it could.
        seconds: that the trial took, loading included.
    """

    number: int
    configuration: Configuration
    current: bool
    levels: tuple[Level, ...]
    failure: str = ""
    seconds: float = 0.0

    def at(self, concurrency: int) -> Level | None:
        """What was measured at a concurrency, or None."""
        return next((level for level in self.levels if level.concurrency == concurrency), None)

    @property
    def stable(self) -> bool:
        """Whether every level was."""
        return all(level.stable for level in self.levels)

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "number": self.number,
            "configuration": self.configuration.to_mapping(),
            "current": self.current,
            "levels": [level.to_mapping() for level in self.levels],
            "failure": self.failure,
            "seconds": self.seconds,
        }

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> Trial:
        """The inverse of `to_mapping`."""
        return cls(
            number=int(data["number"]),
            configuration=Configuration.of(data["configuration"]),
            current=bool(data["current"]),
            levels=tuple(Level.from_mapping(level) for level in data["levels"]),
            failure=str(data.get("failure", "")),
            seconds=float(data.get("seconds", 0.0)),
        )
