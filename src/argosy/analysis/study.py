"""The search itself: measure, note, propose, until the budget is used up.

Nothing here knows of a command line: a service runs `Study.run` as a task, listens to its progress, and ends it by
cancelling the task. What was measured is in the journal then, and another `Study` goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum

from argosy.analysis.goal import Outcome, outcome
from argosy.analysis.journal import Journal
from argosy.analysis.rig import Bench, TrialFailed
from argosy.analysis.search.proposer import Proposer
from argosy.analysis.space import Configuration
from argosy.analysis.trial import Level, Trial


@dataclass(frozen=True, slots=True)
class Budget:
    """When to stop; None is no limit, and the end of the space is one always.

    Attributes:
        trials: most configurations, the current one and those that fail included.
        seconds: no trial begins later; counted over all processes that worked on the search.
    """

    trials: int | None = None
    seconds: float | None = None

    def allows(self, trials: Sequence[Trial]) -> bool:
        """Whether another trial may begin."""
        if self.trials is not None and len(trials) >= self.trials:
            return False
        return self.seconds is None or sum(trial.seconds for trial in trials) < self.seconds


class Step(StrEnum):
    """What has just happened."""

    BEGUN = "begun"
    LEVEL = "level"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Progress:
    """Told after every step.

    Attributes:
        trial: with the levels it has so far.
        level: the one just measured, for `Step.LEVEL`.
        outcome: of the trials that are finished.
        most: trials that the budget allows, or None when it counts time.
    """

    step: Step
    trial: Trial
    level: Level | None
    outcome: Outcome
    most: int | None


OnProgress = Callable[[Progress], None]


class Study:
    """One search.

    Args:
        current: what the model's own config amounts to; it is measured first, as it is.
        concurrencies: levels of load that every configuration is measured at.
        on_progress: called between measurements; must be quick and not raise.
        clock: seconds.
    """

    def __init__(
        self,
        bench: Bench,
        journal: Journal,
        proposer: Proposer,
        budget: Budget,
        current: Configuration,
        concurrencies: Sequence[int],
        *,
        on_progress: OnProgress = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bench = bench
        self._journal = journal
        self._proposer = proposer
        self._budget = budget
        self._current = current
        self._concurrencies = tuple(concurrencies)
        self._on_progress = on_progress
        self._clock = clock

    @property
    def outcome(self) -> Outcome:
        """Of the trials that are finished."""
        return outcome(self._proposer.goal, self._journal.trials)

    async def run(self) -> Outcome:
        """Search until the budget or the space is used up. May be cancelled at any time."""
        while self._journal.begun is not None or self._budget.allows(self._journal.trials):
            configuration = self._next()
            if configuration is None:
                break
            await self._trial(configuration, current=not self._journal.trials)
        return self.outcome

    def _next(self) -> Configuration | None:
        """The trial that was under way, else the current config, else what the search proposes."""
        if self._journal.begun is not None:
            return self._journal.begun.configuration
        if not self._journal.trials:
            return self._current
        return self._proposer.propose(self._journal.trials)

    async def _trial(self, configuration: Configuration, *, current: bool) -> None:
        trial = self._journal.begin(configuration, current=current)
        self._tell(Step.BEGUN, trial)
        began = self._clock()
        done = {level.concurrency for level in trial.levels}
        missing = [concurrency for concurrency in self._concurrencies if concurrency not in done]
        failure = ""
        try:
            form = None if trial.current else configuration
            async with aclosing(self._bench.measure(form, missing)) as levels:
                async for level in levels:
                    self._journal.add(level)
                    self._tell(Step.LEVEL, self._journal.begun or trial, level)
        except TrialFailed as error:
            failure = str(error) or "It failed without a reason."
        self._tell(Step.ENDED, self._journal.end(self._clock() - began, failure))

    def _tell(self, step: Step, trial: Trial, level: Level | None = None) -> None:
        self._on_progress(Progress(step, trial, level, self.outcome, self._budget.trials))
