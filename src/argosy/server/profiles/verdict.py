"""What is said of a profile on a machine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from argosy.server.profiles.memory import Demand
from argosy.server.profiles.profile import Profile


class Bucket(StrEnum):
    """Whether a profile can run.

    COMPATIBLE: as it is. LOW_MEMORY: with a shorter context than the model's. INCOMPATIBLE: not at all.
    """

    COMPATIBLE = "compatible"
    LOW_MEMORY = "low_memory"
    INCOMPATIBLE = "incompatible"


class Lack(StrEnum):
    """What a machine can be short of."""

    ENGINE = "engine"
    GPU = "gpu"
    COUNT = "count"
    CAPABILITY = "capability"
    FEATURE = "feature"
    MEMORY = "memory"
    LORA = "lora"
    WISH = "wish"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a profile cannot run as it is.

    Attributes:
        needs: what it takes.
        has: what there is instead.
        remedy: a command or flag that changes it, empty when there is none.
    """

    lack: Lack
    needs: str
    has: str
    remedy: str = ""

    @property
    def text(self) -> str:
        """In words: needs X, has Y, and the remedy."""
        return f"needs {self.needs}, has {self.has}{f': {self.remedy}' if self.remedy else ''}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One profile on one machine.

    Attributes:
        reasons: empty for a compatible profile, at least one for every other.
        demand: its memory on one device; None when nobody knows what it takes, or where it would go.
        max_model_len: longest context it can be started with, tokens; 0 for models without one.
        gpus: numbers of the GPUs it would take.
        notes: what an operator should know of it all the same.
    """

    profile: Profile
    bucket: Bucket
    reasons: tuple[Reason, ...] = ()
    demand: Demand | None = None
    max_model_len: int = 0
    gpus: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def automatic(self) -> bool:
        """Whether it may be taken without being asked for: everything but what failed its proof."""
        return self.profile.proof is None or self.profile.proof.passed


@dataclass(frozen=True, slots=True)
class Selection:
    """All profiles of a model on a machine, best first.

    Attributes:
        chosen: what to run when nobody says more; None when nothing can.
    """

    model: str
    verdicts: tuple[Verdict, ...]
    chosen: Verdict | None

    def in_bucket(self, bucket: Bucket) -> tuple[Verdict, ...]:
        """The verdicts of one bucket, best first."""
        return tuple(verdict for verdict in self.verdicts if verdict.bucket is bucket)
