"""Bodies and answers of the routes of jobs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Size = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,6}(\.[0-9]{1,3})? ?[KMGT]iB$")]
Above = Annotated[float, msgspec.Meta(gt=0, le=1e12)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Precision = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]{1,16}$")]
InFlight = Annotated[int, msgspec.Meta(ge=1, le=4096)]


class JobBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """The words of `argosy convert` or `argosy analyze`, with `_` for `-`; a word of the other one is refused."""

    kind: Literal["convert", "analyze"]
    model: Text
    load: bool = False
    name: Name | None = None
    precision: Literal["auto", "fp32", "bf16", "fp16", "fp8", "int8", "int4"] | None = None
    engine: Literal["openvino", "onnxruntime", "tensorrt", "tensorrt_llm", "vllm"] | None = None
    task: Literal["embed", "rank", "classify", "generate", "tensor"] | None = None
    calibration: Text | None = None
    samples: Annotated[int, msgspec.Meta(ge=4, le=10_000)] | None = None
    memory: Size | None = None
    timeout: Annotated[float, msgspec.Meta(ge=1, le=86_400)] | None = None
    output: Text | None = None
    max_batch: Annotated[int, msgspec.Meta(ge=1, le=4096)] | None = None
    max_dimension: Count | None = None
    workspace: Size | None = None
    hardware_compatible: bool = False
    resume: bool = False
    keep_work: bool = False
    replace: bool = False
    objective: Literal["throughput", "latency", "memory"] | None = None
    p99_ms: Above | None = None
    min_throughput: Above | None = None
    budget: Count | None = None
    minutes: Above | None = None
    concurrency: Annotated[list[InFlight], msgspec.Meta(min_length=1, max_length=32)] | None = None
    precisions: Annotated[list[Precision], msgspec.Meta(min_length=1, max_length=16)] | None = None
    space: Text | None = None
    inputs: Text | None = None
    rows: Count | None = None
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31)] | None = None
    apply: bool = False


class JobLinks(msgspec.Struct, frozen=True):
    """Addresses; `report` is null while there is none."""

    self: str
    events: str
    report: str | None


class JobError(msgspec.Struct, frozen=True):
    """Why a job failed: the code of the error, and a sentence with the remedy."""

    code: str
    message: str


class JobProgress(msgspec.Struct, frozen=True):
    """Steps that are over, steps in all (0 when nobody knows), and the one under way (empty between two)."""

    done: int
    total: int
    step: str


class JobStepReply(msgspec.Struct, frozen=True):
    """A step and its newest phase: started, finished, reused, failed or rejected."""

    name: str
    phase: str
    seconds: float
    message: str


class ConversionProof(msgspec.Struct, frozen=True):
    """How what was built compares with the original: figures by name, and the bounds they were held to."""

    passed: bool
    reference: str
    samples: int
    figures: dict[str, float]
    thresholds: dict[str, str]


class ConvertResult(msgspec.Struct, frozen=True, tag_field="kind", tag="convert"):
    """What a conversion made; `profiles` are all that were built, whether they passed or not."""

    entry: str
    profile: str
    proof: ConversionProof | None
    profiles: list[dict[str, Any]]
    remarks: list[str]
    loaded: bool
    load_problem: str


class AnalyzeResult(msgspec.Struct, frozen=True, tag_field="kind", tag="analyze"):
    """What a search found: `best` and `current` as in its report, `gain` as a share of the current configuration."""

    model: str
    verdict: str
    unit: str
    measured: int
    best: dict[str, Any] | None
    current: dict[str, Any] | None
    gain: float | None
    worth_applying: bool
    config: str
    applied: dict[str, Any] | None
    loaded: bool
    load_problem: str


class JobSummary(msgspec.Struct, frozen=True):
    """A job of the list."""

    id: str
    kind: str
    model: str
    name: str
    state: str
    created: str
    started: str
    ended: str
    error: JobError | None
    links: JobLinks


class JobList(msgspec.Struct, frozen=True):
    """The jobs that are remembered, newest first."""

    jobs: list[JobSummary]


class JobReply(msgspec.Struct, frozen=True):
    """One job: `request` is what was asked; `cancelling` that its end was ordered; times are UTC, empty before."""

    id: str
    kind: str
    model: str
    name: str
    state: str
    created: str
    started: str
    ended: str
    submitted_by: str
    request: dict[str, Any]
    progress: JobProgress
    steps: list[JobStepReply]
    result: ConvertResult | AnalyzeResult | None
    error: JobError | None
    cancelling: bool
    interruptions: int
    links: JobLinks
