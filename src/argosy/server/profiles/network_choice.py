"""Which engine serves an ONNX file on a machine: OpenVINO, or Triton's own ONNX Runtime where that is better."""

from __future__ import annotations

from pathlib import Path

from argosy.engines.native import NATIVE
from argosy.server.artifacts.kinds.chosen_profile import ChosenProfile
from argosy.server.artifacts.kinds.network import network_files
from argosy.server.probe.host import Host
from argosy.server.profiles.checkpoint import Terms
from argosy.server.profiles.generate import generate
from argosy.server.profiles.select import best, select
from argosy.server.profiles.sources import network
from argosy.server.profiles.wish import narrow


def choose_network(host: Host, path: Path, name: str, terms: Terms) -> ChosenProfile | None:
    """The profile that an ONNX file is served with as it is.

    A wish that no profile of this model fulfils is not meant for it.

    Args:
        host: the machine.
        path: of the `.onnx` file.
        name: what the model will be called.
        terms: what the operator says.

    Returns:
        None where OpenVINO serves it, which is also what is left when nothing may run.

    Raises:
        InvalidModelEntry: its files cannot be read.
    """
    manifest = generate(network.read(network_files(path)[0].values(), name))
    narrowed = narrow(manifest, terms.wish)
    wished = not terms.wish.automatic and len(narrowed) > 0
    selection = select(host, narrowed if wished else manifest, terms.options)
    ready = [verdict for verdict in selection.verdicts if verdict.profile.built]
    # Who asks for a profile is told when the model is loaded what the machine lacks for it.
    found = best(ready, terms.options) or (ready[0] if wished and ready else None)
    if found is None or found.profile.needs.engine not in NATIVE:
        return None
    profile = found.profile
    return ChosenProfile(
        id=profile.id,
        name=profile.name,
        tags=profile.tags,
        engine=profile.needs.engine,
        precision="f32",
        weights="fp32",
        device=profile.needs.device.value,
    )
