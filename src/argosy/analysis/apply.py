"""Put the found configuration to work, and take it back when it is not better after all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from argosy.analysis.goal import Goal, Objective
from argosy.analysis.rig import TrialFailed
from argosy.analysis.swap import install, restore
from argosy.analysis.trial import Level
from argosy.core.errors import ArgosyError, InvalidSetting
from argosy.store.entries import CONFIG_FILE

_FLOOR: Mapping[Objective, float] = {Objective.THROUGHPUT: 0.05, Objective.LATENCY: 0.1, Objective.MEMORY: 0.05}
"""A difference below this is noise whatever the windows say; tails vary more than means."""


class Gauge(Protocol):
    """Measures the model under the load that the configuration was chosen for."""

    async def measure(self, config: str) -> Level:
        """How the model does with this config.

        Raises:
            TrialFailed: it does not load or does not answer.
            ArgosyError: nobody could be asked.
        """
        ...


class Server(Protocol):
    """A running server that serves the model from the same store."""

    async def reload(self, model: str) -> None:
        """Serve the model as it lies in the store now; the former form serves until the new one answers.

        Raises:
            ArgosyError: it does not load, the order was refused, or nobody answers.
        """


class State(StrEnum):
    """How an application ended."""

    APPLIED = "applied"
    ROLLED_BACK = "rolled back"


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done.

    Attributes:
        message: for people.
        before: the former config under the chosen load, measured just before.
        after: the new one, or None when it did not come to that.
        backup: where the former config is kept, empty when it is back in place.
    """

    state: State
    message: str
    before: Level
    after: Level | None
    backup: str = ""

    def to_mapping(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "state": self.state.value,
            "message": self.message,
            "before": self.before.to_mapping(),
            "after": None if self.after is None else self.after.to_mapping(),
            "backup": self.backup,
        }


@dataclass(frozen=True, slots=True)
class Change:
    """One replacement.

    Attributes:
        directory: the model's store entry.
        old: text that its `config.pbtxt` must have.
    """

    model: str
    directory: Path
    old: str
    new: str


async def apply(change: Change, goal: Goal, gauge: Gauge, server: Server | None) -> Applied:
    """Measure, replace, reload, measure again; put everything back when the new config is worse or does not load.

    Ended from outside, the former config is put back before the end is passed on. Killed, it leaves the former or the
    new config, whole, and the former one as a backup.

    Raises:
        InvalidSetting: the config on disk is not the one that the search began with.
        TrialFailed: the former config could not be measured; nothing was changed.
        ConfigurationError: the store cannot be written.
    """
    if (change.directory / CONFIG_FILE).read_text(encoding="utf-8") != change.old:
        raise InvalidSetting(f"The config of {change.model!r} changed since the search began; search again.")
    before = await gauge.measure(change.old)
    backup = install(change.directory, change.new)
    try:
        if server is not None:
            await server.reload(change.model)
        after = await gauge.measure(change.new)
        if worse(goal, before, after):
            # One bad moment of the machine must not undo a good change.
            after = _better(goal, after, await gauge.measure(change.new))
    except (TrialFailed, ArgosyError) as error:
        reason = error.message if isinstance(error, ArgosyError) else str(error)
        return await _roll_back(change, server, before, None, f"The new config failed: {reason}")
    except BaseException:
        await _roll_back(change, server, before, None, "It was ended early.")
        raise
    if worse(goal, before, after):
        return await _roll_back(change, server, before, after, "The new config was worse than the former one.")
    message = f"The new config is in place; the former one is {backup}."
    if server is None:
        message += " No running server was named: a server that runs takes it with its next start or load."
    return Applied(State.APPLIED, message, before, after, str(backup))


def worse(goal: Goal, before: Level, after: Level) -> bool:
    """Whether `after` is worse by more than noise, or breaks a limit that `before` kept."""
    noise = max(_FLOOR[goal.objective], (before.spread + after.spread) / 2)
    if goal.violation(after) > max(0.0, goal.violation(before)) + noise:
        return True
    # A config that breaks a limit is no yardstick: the limit may cost some of the objective.
    return goal.violation(before) <= 0 and goal.score(after) < goal.score(before) - noise


def _better(goal: Goal, first: Level, second: Level) -> Level:
    return max(first, second, key=lambda level: (-max(0.0, goal.violation(level)), goal.score(level)))


async def _roll_back(change: Change, server: Server | None, before: Level, after: Level | None, reason: str) -> Applied:
    restore(change.directory, change.old)
    message = f"{reason} The former config is back in place."
    if server is not None:
        try:
            await server.reload(change.model)
        except ArgosyError as error:
            message += f" The running server did not take it back: {error.message}"
    return Applied(State.ROLLED_BACK, message, before, after)
