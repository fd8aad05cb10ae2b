"""How a checkpoint is served on a machine: the best profile that needs no build step and whose engine is here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from argosy.core.errors import InvalidModelEntry
from argosy.engines.registry import ENGINES
from argosy.server.artifacts.kinds.chosen_profile import ChosenProfile
from argosy.server.artifacts.source import Source
from argosy.server.probe.host import Host
from argosy.server.profiles import explain
from argosy.server.profiles.engines import CHECKPOINT_ENGINES, rank
from argosy.server.profiles.facts import Facts
from argosy.server.profiles.find import manifest_of_folder
from argosy.server.profiles.memory import GIB
from argosy.server.profiles.profile import Device, Profile
from argosy.server.profiles.select import Options, best, select
from argosy.server.profiles.sources import transformers
from argosy.server.profiles.verdict import Bucket, Lack, Selection, Verdict
from argosy.server.profiles.wish import Wish, narrow

_ARITHMETIC = {"bf16": "bf16", "fp16": "f16", "f32": "f32", "fp32": "f32"}
_BF16_CAPABILITY = (8, 0)
_STEPS = 4


@dataclass(frozen=True, slots=True)
class Terms:
    """What the operator says of how checkpoints run.

    Attributes:
        engines: those that this build of Argosy has.
    """

    options: Options = field(default_factory=Options)
    wish: Wish = field(default_factory=Wish)
    engines: frozenset[str] = frozenset(ENGINES)


def choose(host: Host, source: Source, name: str, terms: Terms) -> ChosenProfile | None:
    """The profile that a checkpoint is served with.

    A wish that no profile of this model fulfils is not meant for it. A profile that is asked for is taken although its
    memory seems short, since that sum is an estimate.

    Args:
        host: the machine.
        source: the folder of the checkpoint, possibly with what was converted of it.
        name: what the model will be called.
        terms: what the operator says.

    Returns:
        None where what was converted is ranked higher, or is all that may run.

    Raises:
        InvalidModelEntry: nothing runs it here; the message lists what would, and what each lacks.
    """
    facts = transformers.read(source, name)
    manifest = manifest_of_folder(source, name)
    narrowed = narrow(manifest, terms.wish)
    wished = not terms.wish.automatic and len(narrowed) > 0
    options = _meant(terms.options, facts)
    selection = select(host, narrowed if wished else manifest, options)
    verdict = _ready(selection, replace(terms, options=options), wished=wished)
    if verdict is None and options.lora:
        # Adapters of other models are no reason to leave this one out.
        without = replace(options, lora=False)
        again = select(host, narrowed if wished else manifest, without)
        verdict = _ready(again, replace(terms, options=without), wished=wished)
    if verdict is None and (wished or not any(_is_converted(profile) for profile in manifest)):
        raise _refusal(source, name, selection, terms, wished=wished)
    if verdict is None or _is_converted(verdict.profile):
        return None
    return _chosen(host, verdict, facts)


def without_build(selection: Selection, options: Options) -> Verdict | None:
    """What `argosy serve` takes of these profiles as the files are, or None when it takes nothing."""
    return _ready(selection, Terms(options), wished=False)


def preferred_engines(selection: Selection, served: Profile) -> tuple[Verdict, ...]:
    """What lacks the least of each engine that stands before the one that serves, in the order of preference."""
    own = rank(served.needs.engine, served.needs.device)
    found = [verdict for verdict in _nearest(selection) if _engine_rank(verdict) < own]
    return tuple(sorted(found, key=_engine_rank))


def _meant(options: Options, facts: Facts) -> Options:
    """What the operator says of this model: GPUs share the layers of language models, and of nothing else."""
    return options if facts.is_language_model else replace(options, tags={}, lora=False, max_model_len=None)


def _ready(selection: Selection, terms: Terms, *, wished: bool) -> Verdict | None:
    """The best verdict whose engine is in this build and takes the files as they are."""
    ready = [verdict for verdict in selection.verdicts if _serves(verdict.profile, terms)]
    found = best(ready, terms.options)
    if found is None and wished:
        return next((verdict for verdict in ready if _lacks_only_memory(verdict)), None)
    return found


def _serves(profile: Profile, terms: Terms) -> bool:
    """Whether nothing has to be done first; what an engine builds while it starts is its own affair."""
    engine = profile.needs.engine
    return engine in terms.engines and (profile.built or engine in CHECKPOINT_ENGINES)


def _lacks_only_memory(verdict: Verdict) -> bool:
    return all(reason.lack is Lack.MEMORY for reason in verdict.reasons)


def _is_converted(profile: Profile) -> bool:
    return profile.built and profile.needs.engine not in CHECKPOINT_ENGINES


def _chosen(host: Host, verdict: Verdict, facts: Facts) -> ChosenProfile:
    profile = verdict.profile
    online = not facts.quantization and profile.precision not in _ARITHMETIC
    longest = _rounded(verdict.max_model_len) if verdict.bucket is Bucket.LOW_MEMORY else 0
    return ChosenProfile(
        id=profile.id,
        name=profile.name,
        tags=profile.tags,
        engine=profile.needs.engine,
        precision=_ARITHMETIC.get(profile.precision) or _arithmetic(host, facts),
        weights=profile.precision if online else facts.stored,
        device=profile.needs.device.value,
        max_model_len=longest,
        parameters=_parameters(host, verdict, longest, online=online),
    )


def _arithmetic(host: Host, facts: Facts) -> str:
    """What narrower weights are computed with: bf16, unless the files or the GPUs are from before it."""
    old = any(gpu.capability is not None and gpu.capability < _BF16_CAPABILITY for gpu in host.gpus)
    return "f16" if old or facts.dtype == "fp16" else "bf16"


def _parameters(host: Host, verdict: Verdict, longest: int, *, online: bool) -> Mapping[str, str]:
    profile, needs = verdict.profile, verdict.profile.needs
    parameters = {}
    if online:
        parameters["quantization"] = profile.precision
    if needs.device is Device.CPU and needs.engine == "torch" and host.gpus:
        parameters["device"] = "cpu"
    if needs.device is Device.CPU and needs.engine == "vllm" and verdict.demand is not None and verdict.demand.tokens:
        # A cache that holds less than one context of full length makes vLLM refuse to start.
        share = longest / verdict.demand.tokens if longest else 1.0
        parameters["kv_cache_gib"] = str(max(1, math.ceil(verdict.demand.cache * share / GIB)))
    return parameters


def _rounded(tokens: int) -> int:
    """A length that does not change with every MiB of memory that others use: two significant bits after the first."""
    step = max(1, (1 << tokens.bit_length() - 1) // _STEPS)
    return tokens // step * step


def _refusal(source: Source, name: str, selection: Selection, terms: Terms, *, wished: bool) -> InvalidModelEntry:
    root = source.root
    which = f"none of the profiles {terms.wish.text!r} (--model-profile) runs" if wished else "nothing runs them"
    first = (
        f"{root} holds weights without a network, and {which} here as they are. Convert it once and serve the "
        f"result; run: argosy convert {root} --name {name}"
    )
    lacking = (f"  {_lacking(verdict, terms)}" for verdict in _nearest(selection))
    return InvalidModelEntry("\n".join([first, *lacking, f"Every profile with its reasons: argosy profiles {root}"]))


def _nearest(selection: Selection) -> Iterator[Verdict]:
    """Of each engine and device the verdict that lacks the least, in the order of preference."""
    nearest: dict[tuple[str, Device], Verdict] = {}
    for verdict in selection.verdicts:
        needs = verdict.profile.needs
        known = nearest.get((needs.engine, needs.device))
        if known is None or _distance(verdict) < _distance(known):
            nearest[needs.engine, needs.device] = verdict
    yield from nearest.values()


def _engine_rank(verdict: Verdict) -> int:
    return rank(verdict.profile.needs.engine, verdict.profile.needs.device)


def _distance(verdict: Verdict) -> tuple[int, int]:
    return len(verdict.reasons), verdict.profile.needs.gpus


def _lacking(verdict: Verdict, terms: Terms) -> str:
    profile = verdict.profile
    if profile.needs.engine in CHECKPOINT_ENGINES - terms.engines:
        return f"{profile.name}: this build of Argosy does not serve it; {explain.reasons(verdict)}"
    return f"{profile.name}: {explain.reasons(verdict)}"
