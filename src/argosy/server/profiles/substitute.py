"""What is served where the chosen profile's entry is not in the cache, and the cache cannot be written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from argosy.engines.native import NATIVE
from argosy.server.artifacts.kinds.chosen_profile import ChosenProfile
from argosy.server.probe.host import Host
from argosy.server.profiles.checkpoint import Terms
from argosy.server.profiles.engines import CHECKPOINT_ENGINES, rank
from argosy.server.profiles.select import select
from argosy.server.profiles.sources.entry import manifest_of, profile_of
from argosy.server.profiles.verdict import Bucket, Lack, Verdict
from argosy.store.entries import ModelEntry

# An engine does without an instruction of the processor, slowly, and the sum of the memory is an estimate.
_BEARABLE = frozenset({Lack.MEMORY, Lack.FEATURE})
_BUCKETS = tuple(Bucket)


def substitute(
    host: Host, made: Sequence[ModelEntry], chosen: ChosenProfile | None, terms: Terms
) -> tuple[ModelEntry, str] | None:
    """The best of the entries whose engine can serve here, and a sentence on it for the operator.

    A profile that was asked for, and GPUs that are to share each layer, are never made less of.

    Args:
        host: the machine.
        made: entries of one source.
        chosen: the profile that cannot be written; None means what was built for OpenVINO.
        terms: what the operator says.
    """
    wished = chosen is not None and not terms.wish.automatic and terms.wish.admits(chosen)
    meant = [entry for entry in made if not wished or terms.wish.admits(profile_of(entry.spec))]
    ranked = sorted(_serving(host, meant, terms), key=lambda pair: _order(pair[0]))
    if not ranked:
        return None
    verdict, entry = ranked[0]
    return entry, _sentence(entry, verdict, chosen)


def _serving(host: Host, made: Sequence[ModelEntry], terms: Terms) -> Iterator[tuple[Verdict, ModelEntry]]:
    for entry in made:
        spec = entry.spec
        shared = terms.options.tags if spec.generate is not None and spec.engine in CHECKPOINT_ENGINES else {}
        options = replace(terms.options, lora=False, tags=shared)
        (verdict,) = select(host, manifest_of(entry), options).verdicts
        if spec.engine in terms.engines | NATIVE.keys() and _BEARABLE.issuperset(
            reason.lack for reason in verdict.reasons
        ):
            yield verdict, entry


def _order(verdict: Verdict) -> tuple[int, int, str]:
    needs = verdict.profile.needs
    return _BUCKETS.index(verdict.bucket), rank(needs.engine, needs.device), verdict.profile.name


def _sentence(entry: ModelEntry, verdict: Verdict, chosen: ChosenProfile | None) -> str:
    served = verdict.profile.name
    better = "OpenVINO" if chosen is None else chosen.name
    if better == served:
        better = f"{served} with other settings"
    return (
        f"{entry.name} is served as {served}, for which the model cache was filled. {better} would be chosen here, and "
        "the cache cannot be written: fill it on a machine like this one, or name another with --cache."
    )
