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
        max_batch: most rows in one execution of an engine for one of Triton's own backends.
        max_dimension: most of any other open dimension of a TensorRT engine; None takes what the samples show.
        workspace: bytes of GPU memory that a layer of a TensorRT engine may use for itself; 0 is no limit.
        hardware_compatible: whether a TensorRT engine shall run on other GPUs too, from Ampere on.
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
    max_batch: int = 32
    max_dimension: int | None = None
    workspace: int = 0
    hardware_compatible: bool = False


@dataclass(frozen=True, slots=True)
class Material:
    """What profiles are built from.

    Attributes:
        admitted: the model.
        loaded: has the copies of its files.
        exported: has the samples and the reference.
        network: in the form that the builders read.
        chosen: the samples, as texts or a file.
    """

    admitted: Admitted
    loaded: Done
    exported: Done
    network: Path
    chosen: Samples

    @property
    def samples(self) -> Path:
        """Arrays by sample and input; the first half calibrates."""
        return self.exported.output / "samples.safetensors"

    @property
    def reference(self) -> Path:
        """What the original says to the second half."""
        return self.exported.output / "reference.safetensors"


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


def build_step(material: Material, profile: BuildProfile) -> Step:
    """Build one profile for OpenVINO."""
    network = material.network
    request = {
        "kind": material.admitted.kind.value,
        "network": str(network),
        "model": str(material.loaded.output / "model"),
        "profile": profile.name,
        "weights": profile.spec.weights,
        "activations": profile.spec.activations,
        "samples": str(material.samples) if profile.calibrated else "",
    }
    reads = (network.parent, *((material.samples,) if profile.calibrated else ()))
    return Step(f"build-{profile.name}", f"{_STEPS}.build_openvino", Runs.CONVERSION, request, reads)


def type_step(material: Material, profile: BuildProfile) -> Step:
    """Put the profile's precision into the ONNX network."""
    request = {"network": str(material.network), "precision": profile.name, "samples": str(material.samples)}
    reads = (material.network.parent, *((material.samples,) if profile.calibrated else ()))
    return Step(f"type-{profile.name}", f"{_STEPS}.type_network", Runs.CONVERSION, request, reads)


def build_tensorrt_step(
    material: Material, typed: Done, profile: BuildProfile, asked: ConversionRequest, trtexec: Path | None
) -> Step:
    """Build one profile for TensorRT, by its program when one is given."""
    request = {
        **_tensorrt(asked, trtexec),
        "network": str(typed.output / "model.onnx"),
        "samples": str(material.samples),
        "max_batch": asked.max_batch,
        "max_dimension": asked.max_dimension,
    }
    reads = (typed.output, material.samples)
    return Step(f"build-{profile.name}", f"{_STEPS}.build_tensorrt", Runs.CONVERSION, request, reads)


def validate_tensorrt_step(
    material: Material, plan: Path, profile: BuildProfile, asked: ConversionRequest, trtexec: Path | None
) -> Step:
    """Run a TensorRT engine on the GPU, and compare."""
    request = {**_tensorrt(asked, trtexec), **_judged(material), "plan": str(plan)}
    reads = (material.exported.output, plan)
    return Step(f"validate-{profile.name}", f"{_STEPS}.validate_tensorrt", Runs.CONVERSION, request, reads)


def validate_onnxruntime_step(
    material: Material, network: Path, profile: BuildProfile, threads: int, *, gpu: bool
) -> Step:
    """Run a network with ONNX Runtime, and compare."""
    request = {**_judged(material), "network": str(network), "threads": threads, "gpu": gpu}
    reads = (material.exported.output, network.parent)
    return Step(f"validate-{profile.name}", f"{_STEPS}.validate_onnxruntime", Runs.CONVERSION, request, reads)


def validate_step(material: Material, entry: Mapping[str, Any], profile: BuildProfile, threads: int) -> Step:
    """Run the engine that will serve the profile, and compare what it says with what the original said.

    Args:
        material: has the reference, and what both read.
        entry: `spec` (text of argosy.yaml), `files` and `texts` of the version folder.
        profile: what is judged.
        threads: for the engine.
    """
    exported, chosen = material.exported, material.chosen
    request = {
        **_judged(material),
        "entry": dict(entry),
        "texts": chosen.texts,
        "passages": chosen.passages,
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


def _judged(material: Material) -> dict[str, Any]:
    return {
        "kind": material.admitted.kind.value,
        "reference": str(material.reference),
        "inputs": str(material.samples),
    }


def _tensorrt(asked: ConversionRequest, trtexec: Path | None) -> dict[str, Any]:
    return {
        "trtexec": str(trtexec or ""),
        "workspace": asked.workspace,
        # In the conversion's own folder: another profile of the same network finds most of its kernels there.
        "timing_cache": str(asked.work / "timing.cache"),
        "hardware_compatible": asked.hardware_compatible,
    }
