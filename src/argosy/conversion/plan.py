"""What a conversion is asked to do, and the steps that do it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from argosy.conversion.calibration import Samples
from argosy.conversion.profiles import AUTO, BuildProfile, Target
from argosy.conversion.sources.admission import Admitted
from argosy.conversion.sources.kinds import Kind
from argosy.conversion.stepping import Done, Step
from argosy.conversion.toolchain import Runs

_STEPS = "argosy.conversion.steps"
_EXPORTS = {
    Kind.DECODER: "export_decoder",
    Kind.NETWORK: "export_network",
    Kind.IMAGE_CLASSIFIER: "export_image",
    Kind.DETECTOR: "export_image",
    Kind.SEGMENTER: "export_image",
}
_LOAD_SECONDS = 600.0
NETWORK_FILE = "openvino_model.xml"


@dataclass(frozen=True, slots=True)
class ConversionRequest:
    """One conversion.

    Attributes:
        source: the model's folder or `.onnx` file.
        name: what the entry is called.
        store: model store that the entry is written to.
        work: folder that the steps work in.
        precision: a profile's name, or `auto`: the fastest that passes.
        task: empty takes what the model says.
        calibration: file with samples, or None.
        samples: how many to make or read.
        memory: bytes that one step may hold.
        seconds: wall time that one step may take.
        threads: most threads of a numerical library.
        keep_work: keep the files of every step.
        resume: take over the steps that an earlier run finished.
        replace: put the entry in place of one with its name.
    """

    source: Path
    name: str
    store: Path
    work: Path
    precision: str = AUTO
    target: Target = Target.OPENVINO
    task: str = ""
    calibration: Path | None = None
    samples: int = 128
    memory: int = 8 << 30
    seconds: float = 3600.0
    threads: int = 1
    keep_work: bool = False
    resume: bool = False
    replace: bool = False


def load_step(admitted: Admitted) -> Step:
    """Copy what belongs to the model, and nothing else, and look into the files."""
    files = {name: str(path) for name, path in sorted(admitted.files.items())}
    request = {"files": files, "main": admitted.main}
    return Step(
        "load", f"{_STEPS}.load", Runs.CONVERSION, request, tuple(admitted.files.values()), seconds=_LOAD_SECONDS
    )


def export_step(admitted: Admitted, loaded: Done, chosen: Samples) -> Step:
    """Write the network down, and what the original says to the samples."""
    request = {
        "kind": admitted.kind.value,
        "model": str(loaded.output / "model"),
        "main": admitted.main,
        "texts": chosen.texts,
        "passages": chosen.passages,
        "tensors": str(chosen.tensors) if chosen.tensors is not None else "",
        "count": chosen.count,
    }
    reads = (loaded.output, *((chosen.tensors,) if chosen.tensors is not None else ()))
    module = _EXPORTS.get(admitted.kind, "export_text")
    return Step("export", f"{_STEPS}.{module}", Runs.CONVERSION, request, reads)


def optimise_step(exported: Done) -> Step:
    """Fold constants and drop what computes nothing, in standard ONNX."""
    network = exported.output / "network"
    request = {"network": str(network / "model.onnx")}
    return Step("optimise", f"{_STEPS}.optimise", Runs.CONVERSION, request, (network,))


def build_step(admitted: Admitted, loaded: Done, exported: Done, network: Path, profile: BuildProfile) -> Step:
    """Build one profile for the engine."""
    request = {
        "kind": admitted.kind.value,
        "network": str(network),
        "model": str(loaded.output / "model"),
        "profile": profile.name,
        "weights": profile.spec.weights,
        "activations": profile.spec.activations,
        "samples": str(exported.output / "samples.safetensors") if profile.calibrated else "",
    }
    reads = (network.parent, *((exported.output / "samples.safetensors",) if profile.calibrated else ()))
    return Step(f"build-{profile.name}", f"{_STEPS}.build_openvino", Runs.CONVERSION, request, reads)


def validate_step(
    admitted: Admitted, exported: Done, chosen: Samples, entry: Mapping[str, Any], profile: BuildProfile, threads: int
) -> Step:
    """Run the engine that will serve the profile, and compare what it says with what the original said.

    Args:
        admitted: the model.
        exported: has the reference.
        chosen: what both read.
        entry: `spec` (text of argosy.yaml), `files` and `texts` of the version folder.
        profile: what is judged.
        threads: for the engine.
    """
    request = {
        "kind": admitted.kind.value,
        "entry": dict(entry),
        "texts": chosen.texts,
        "passages": chosen.passages,
        "reference": str(exported.output / "reference.safetensors"),
        "inputs": str(exported.output / "samples.safetensors"),
        "answers": exported.answer.get("answers", []),
        "prompts": exported.answer.get("prompts", []),
        "threads": threads,
    }
    files = tuple(Path(path) for path in entry["files"].values())
    return Step(
        f"validate-{profile.name}", f"{_STEPS}.validate", Runs.SERVING, request, (exported.output, *sorted(set(files)))
    )


def package_step(store: Path, entry: Mapping[str, Any], extras: Mapping[str, Path], *, replace: bool) -> Step:
    """Write the entry beside the store's entries and rename it among them."""
    request = {
        "store": str(store),
        **entry,
        "extras": {name: str(path) for name, path in extras.items()},
        "replace": replace,
    }
    reads = (*(Path(path) for path in entry["files"].values()), *extras.values())
    return Step("package", f"{_STEPS}.package", Runs.SERVING, request, tuple(sorted(set(reads))))
