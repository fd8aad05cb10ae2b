"""When a measured shift becomes a finding: a state machine without a clock, fed window by window.

A window hits when enough results were seen, an effect is large and the p-value, adjusted over all checks of that window
(Benjamini & Hochberg), is small. Two hits in three windows open a finding. It closes after three evaluated windows in
a row that are clear by a stricter measure than the one that opened it, so that it does not flutter. A check that
could not be evaluated says why. It neither counts as a hit nor as clear, and never as healthy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from argosy.core.errors import InvalidRequest
from argosy.inspection.statistics.arguments import count, inside_unit
from argosy.inspection.statistics.drift import benjamini_hochberg


@dataclass(frozen=True, slots=True)
class Gate:
    """What makes an effect large.

    Attributes:
        effect: its name, such as "psi".
        opens: above this it is large.
        closes: below this it is gone; between the two nothing is decided.

    Raises:
        InvalidRequest: unless 0 < closes <= opens.
    """

    effect: str
    opens: float
    closes: float

    def __post_init__(self) -> None:
        if not 0.0 < self.closes <= self.opens < math.inf:
            raise InvalidRequest(
                f"{self.effect!r} opens at {self.opens:g} and closes at {self.closes:g}; give 0 < closes <= opens.",
                param="closes",
            )


@dataclass(frozen=True, slots=True)
class GuardPolicy:
    """What opens and closes a finding.

    Attributes:
        least: results that a window needs.
        alpha: adjusted p-values below it hit.
        clear_alpha: p-values, not adjusted, from which on a window is clear whatever its effects; above `alpha`.
        gates: of the effects; any one above its gate is enough.
        hits: windows that must hit ...
        windows: ... of so many last ones.
        clear_windows: evaluated clear windows in a row that close.

    Raises:
        InvalidRequest: values that contradict one another.
    """

    least: int = 200
    alpha: float = 0.01
    clear_alpha: float = 0.05
    gates: tuple[Gate, ...] = (Gate("psi", 0.2, 0.1), Gate("ks", 0.1, 0.05))
    hits: int = 2
    windows: int = 3
    clear_windows: int = 3

    def __post_init__(self) -> None:
        count(self.least, "least", least=1)
        count(self.hits, "hits", least=1)
        count(self.windows, "windows", least=self.hits)
        count(self.clear_windows, "clear_windows", least=1)
        if inside_unit(self.alpha, "alpha") > inside_unit(self.clear_alpha, "clear_alpha"):
            raise InvalidRequest("'clear_alpha' is below 'alpha'.", param="clear_alpha")
        if len({gate.effect for gate in self.gates}) != len(self.gates) or not self.gates:
            raise InvalidRequest("'gates' needs at least one gate, and each effect once.", param="gates")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one window says about one check.

    Attributes:
        check: its name; with the scope, where several scopes are guarded together.
        n: results in the window.
        effects: effect sizes by name.
        p_value: that nothing changed; None when it could not be computed.
        reason: why the check could not be computed although there were results, such as a missing reference.
    """

    check: str
    n: int
    effects: Mapping[str, float] = field(default_factory=dict)
    p_value: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class CheckState:
    """What is remembered of one check between windows.

    Attributes:
        recent: whether the last windows hit, oldest first; None for one that was not evaluated.
        is_open: whether there is a finding.
        clear: evaluated windows in a row that were clear.
    """

    recent: tuple[bool | None, ...] = ()
    is_open: bool = False
    clear: int = 0


class Status(StrEnum):
    """What a check stands at after a window."""

    HEALTHY = "healthy"
    """Evaluated, and nothing large was seen."""
    SUSPECT = "suspect"
    """This window hit; not often enough yet."""
    OPEN = "open"
    """There is a finding, whether or not this window could be evaluated."""
    NOT_EVALUATED = "not_evaluated"
    """Nothing is known; the reason tells why."""


class Event(StrEnum):
    """What a window changed."""

    OPENED = "opened"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One check after one window.

    Attributes:
        check: its name.
        status: what it stands at.
        event: what this window changed, or None.
        reason: why this window was not evaluated, or None.
        n: results in the window.
        adjusted_p: p-value over all checks of the window; None when it was not evaluated.
    """

    check: str
    status: Status
    event: Event | None
    reason: str | None
    n: int
    adjusted_p: float | None


def step(
    states: Mapping[str, CheckState], evidence: Sequence[Evidence], policy: GuardPolicy
) -> tuple[dict[str, CheckState], tuple[Outcome, ...]]:
    """Take one window's evidence.

    Args:
        states: by check, from the window before; empty at first.
        evidence: of this window, one for each check.
        policy: what opens and closes.

    Returns:
        The new states, and an outcome for each check: first as given, then those that are remembered and were not
        given, by name, as not evaluated.

    Raises:
        InvalidRequest: a check given twice, a p-value outside [0, 1], or an effect without a gate.
    """
    given = {item.check: item for item in evidence}
    if len(given) != len(evidence):
        raise InvalidRequest("A check is given twice for one window.", param="evidence")
    silent = [
        Evidence(check, 0, reason="no evidence for this window") for check in sorted(states.keys() - given.keys())
    ]
    items = [*evidence, *silent]
    reasons = {item.check: _why_not(item, policy) for item in items}
    evaluated = [item for item in items if reasons[item.check] is None]
    adjusted = dict(
        zip(
            (item.check for item in evaluated),
            benjamini_hochberg([_p_value(item) for item in evaluated]).tolist(),
            strict=True,
        )
    )
    after: dict[str, CheckState] = {}
    outcomes = []
    for item in items:
        before = states.get(item.check, CheckState())
        p_value = adjusted.get(item.check)
        state = _unknown(before, policy) if p_value is None else _evaluated(before, item, p_value, policy)
        after[item.check] = state
        event = None
        if state.is_open != before.is_open:
            event = Event.OPENED if state.is_open else Event.CLOSED
        outcomes.append(Outcome(item.check, _status(state), event, reasons[item.check], item.n, p_value))
    return after, tuple(outcomes)


def _why_not(item: Evidence, policy: GuardPolicy) -> str | None:
    gated = {gate.effect for gate in policy.gates}
    unknown = sorted(item.effects.keys() - gated)
    if unknown:
        raise InvalidRequest(f"No gate for the effect {unknown[0]!r} of {item.check!r}.", param="effects")
    if item.p_value is not None and not math.isnan(item.p_value) and not 0.0 <= item.p_value <= 1.0:
        raise InvalidRequest(f"The p-value of {item.check!r} is {item.p_value!r}; it lies in [0, 1].", param="p_value")
    if item.reason:
        return item.reason
    if item.n < policy.least:
        return f"n={item.n} < {policy.least}"
    if item.p_value is None or math.isnan(item.p_value):
        return "no p-value"
    if not item.effects or any(math.isnan(effect) for effect in item.effects.values()):
        return "no effect size"
    return None


def _p_value(item: Evidence) -> float:
    return 1.0 if item.p_value is None else item.p_value


def _unknown(before: CheckState, policy: GuardPolicy) -> CheckState:
    # The window takes its place among the last ones: hits long before a silence must not add up with one after it.
    return CheckState((*before.recent, None)[-policy.windows :], before.is_open, before.clear)


def _evaluated(before: CheckState, item: Evidence, adjusted: float, policy: GuardPolicy) -> CheckState:
    gates = [gate for gate in policy.gates if gate.effect in item.effects]
    hit = adjusted < policy.alpha and any(item.effects[gate.effect] > gate.opens for gate in gates)
    gone = all(item.effects[gate.effect] < gate.closes for gate in gates)
    clear = not hit and (gone or _p_value(item) >= policy.clear_alpha)
    recent = (*before.recent, hit)[-policy.windows :]
    run = before.clear + 1 if clear else 0
    if before.is_open:
        closes = run >= policy.clear_windows
        # What opened it is used up: a new finding needs new hits.
        return CheckState((), is_open=False) if closes else CheckState(recent, is_open=True, clear=run)
    return CheckState(recent, is_open=recent.count(True) >= policy.hits, clear=run)


def _status(state: CheckState) -> Status:
    if state.is_open:
        return Status.OPEN
    if not state.recent:
        return Status.HEALTHY
    latest = state.recent[-1]
    if latest is None:
        return Status.NOT_EVALUATED
    return Status.SUSPECT if latest else Status.HEALTHY
