"""What `argosy serve` does with profiles: an entry was built as one, which runs unless its proof says otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from argosy.core.errors import InvalidModelEntry, InvalidSetting
from argosy.server.probe.host import Host
from argosy.server.profiles import explain
from argosy.server.profiles.checkpoint import preferred_engines
from argosy.server.profiles.generate import generate
from argosy.server.profiles.manifest import Manifest
from argosy.server.profiles.memory import gib
from argosy.server.profiles.overhead import HOST_RESERVE
from argosy.server.profiles.profile import Device
from argosy.server.profiles.select import Options, select
from argosy.server.profiles.sources.entry import checkpoint_facts, is_checkpoint_entry, manifest_of, profile_of
from argosy.server.profiles.verdict import Bucket, Selection, Verdict
from argosy.server.profiles.wish import Wish, unknown
from argosy.store.entries import ModelEntry


@dataclass(frozen=True, slots=True)
class Choice:
    """What is served of one model, and why.

    Attributes:
        wished: whether the operator named the profile.
        preferred: for a checkpoint, what engines lack that stand before the one that serves it.
    """

    entry: ModelEntry
    selection: Selection
    wished: bool = False
    preferred: tuple[Verdict, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Of the profile that is served: the entry's only one."""
        return self.selection.verdicts[0]


@dataclass(frozen=True, slots=True)
class Choices:
    """What is served, and what is not.

    Attributes:
        problems: models left out, a sentence each.
        warnings: models that may not run, a sentence each.
    """

    served: tuple[Choice, ...]
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def of(self, entries: Sequence[ModelEntry]) -> Choices:
        """The same for these entries only."""
        names = {entry.name for entry in entries}
        return replace(self, served=tuple(choice for choice in self.served if choice.entry.name in names))

    @property
    def entries(self) -> tuple[ModelEntry, ...]:
        """The models that are served."""
        return tuple(choice.entry for choice in self.served)


def choose(
    host: Host, entries: Sequence[ModelEntry], wish: Wish, options: Options | None = None, *, named: bool
) -> Choices:
    """The profile of every entry; an entry whose proof failed is served only when its profile is asked for.

    Args:
        host: the machine.
        entries: that are to be served, adapters among them.
        wish: the operator's profile; the entries that have another one are served all the same.
        options: what the operator says of all of them.
        named: whether the operator named the models, who then is told at once that one cannot be served.

    Raises:
        InvalidSetting: no entry has the profile that is wished for, or a named one failed its proof.
    """
    bases = {entry.spec.parent for entry in entries}
    manifests = [manifest_of(entry, adapters=entry.name in bases) for entry in entries]
    if not wish.automatic and not any(wish.admits(profile) for manifest in manifests for profile in manifest):
        raise _unfulfilled(wish, entries, manifests)
    judged = [
        Choice(entry, select(host, manifest, options), _wished(manifest, wish), _preferred(host, entry, options))
        for entry, manifest in zip(entries, manifests, strict=True)
    ]
    refused = {choice.entry.name: _disproved(choice) for choice in judged if _is_disproved(choice)}
    if refused and named:
        raise InvalidSetting(" ".join(refused.values()))
    served = tuple(choice for choice in judged if choice.entry.name not in refused)
    return Choices(served, tuple(refused.values()), tuple(_warnings(served)))


def start_lines(choices: Sequence[Choice]) -> Iterator[str]:
    """What NIM writes at its start: the profile of every model and what it says of itself."""
    for choice in choices:
        profile = choice.verdict.profile
        yield f"Selected profile: {profile.id} ({profile.name}) for {choice.entry.name}"
        yield f"Profile metadata: {', '.join(f'{key}: {value}' for key, value in profile.tags.items())}"


def dry_run_lines(host: Host, choices: Choices) -> Iterator[str]:
    """What would be served, why, and what it takes."""
    yield from explain.host_lines(host)
    for choice in choices.served:
        verdict = choice.verdict
        yield ""
        yield f"{choice.entry.name}: {choice.entry.directory}"
        yield f"  Selected profile: {verdict.profile.id} ({verdict.profile.name})"
        yield f"  Why: {_why(choice)}; {explain.WORDS[verdict.bucket]}: {explain.reasons(verdict)}"
        for other in () if choice.wished else choice.preferred:
            yield f"  Preferred, and not taken: {other.profile.name}: {explain.reasons(other)}"
    yield ""
    taken = [
        choice.verdict.demand.needed
        for choice in choices.served
        if choice.verdict.demand is not None and choice.verdict.profile.needs.device is Device.CPU
    ]
    usable = max(0, host.memory - HOST_RESERVE)
    yield f"{len(choices.served)} models, together at most {gib(sum(taken))} of {gib(usable)} GiB of memory."


def _why(choice: Choice) -> str:
    if choice.wished:
        return "asked for by --model-profile"
    if is_checkpoint_entry(choice.entry.spec):
        return "the best ranked that needs no build step, where its entry was made"
    return "the only one that this entry was built as"


def _preferred(host: Host, entry: ModelEntry, options: Options | None) -> tuple[Verdict, ...]:
    """For a checkpoint, the engines that stand before the one that was chosen for it."""
    every = _every(entry)
    return preferred_engines(select(host, every, options), profile_of(entry.spec)) if every is not None else ()


def _unfulfilled(wish: Wish, entries: Sequence[ModelEntry], manifests: Sequence[Manifest]) -> InvalidSetting:
    """The error for a wish that nothing that is to be served fulfils: with every profile of a checkpoint."""
    known = [_every(entry) or manifest for entry, manifest in zip(entries, manifests, strict=True)]
    for entry, manifest, profiles in zip(entries, manifests, known, strict=True):
        if _wished(profiles, wish):
            made = manifest.profiles[0].name
            return InvalidSetting(
                f"{entry.name} was made as {made}, and {wish.text!r} (--model-profile, NIM_MODEL_PROFILE) is asked "
                f"for: name the checkpoint that {entry.directory} was made of, or ask for {made}."
            )
    return unknown(wish, known)


def _every(entry: ModelEntry) -> Manifest | None:
    """Every profile of the checkpoint that an entry was made of; None for what was built."""
    try:
        facts = checkpoint_facts(entry)
    except (InvalidModelEntry, OSError):
        # The load will say what is wrong with it.
        return None
    return generate(facts) if facts is not None else None


def _wished(manifest: Manifest, wish: Wish) -> bool:
    return not wish.automatic and any(wish.admits(profile) for profile in manifest)


def _is_disproved(choice: Choice) -> bool:
    return not choice.verdict.automatic and not choice.wished


def _disproved(choice: Choice) -> str:
    profile = choice.verdict.profile
    figures = f" ({profile.proof.text})" if profile.proof is not None and profile.proof.text else ""
    return (
        f"{choice.entry.name} failed its proof{figures} and is not served by itself. To serve it all the same: "
        f"--model-profile {profile.name}"
    )


def _warnings(choices: Sequence[Choice]) -> Iterator[str]:
    for choice in choices:
        verdict = choice.verdict
        if verdict.bucket is not Bucket.COMPATIBLE:
            yield f"{choice.entry.name} may not run here: it {explain.reasons(verdict)}."
