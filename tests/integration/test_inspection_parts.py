"""The parts of inspection fit together: from the bytes of a picture to a verdict, with the demo model in OpenVINO.

Not through Triton and not over HTTP: those routes are not there yet. Decoding runs in its own processes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openvino
import pytest
from PIL import Image

from argosy.inspection.images.decoding import DecoderPool
from argosy.inspection.images.quality import QualityLimits, judge_quality, measure_quality
from argosy.inspection.judging.length import length_of
from argosy.inspection.judging.levels import Verdict
from argosy.inspection.judging.reading import default_rule_set
from argosy.inspection.judging.seen import Inspection, Seen
from argosy.inspection.judging.verdict import Judgement, judge
from argosy.inspection.outputs.defects import Findings, Frame
from argosy.inspection.outputs.selection import adapter
from argosy.inspection.outputs.specification import OutputSpec
from argosy.inspection.synthetic.dataset import draw_dies, split_lots
from argosy.inspection.synthetic.defects import Defect
from argosy.inspection.synthetic.dies import Die

MODEL = Path(__file__).parents[2] / "tools" / "models" / "defect_detection" / "1" / "model.onnx"
CLASSES = ["background", *(defect.name.lower() for defect in Defect)]
OUTPUT = {
    "adapter": "semantic_seg",
    "tensors": {"probabilities": "probabilities", "anomaly_map": "anomaly_map"},
    "classes": CLASSES,
    "conf": 0.75,
    "low": 0.4,
    "min_area_px": 8,
}
SIZE = 256
SEED = 90210
"""No seed of training or of evaluation."""


@pytest.fixture(scope="module")
def dies() -> list[Die]:
    """Dies of products that the model has never seen, good and bad."""
    return list(draw_dies(SEED, split_lots(SEED, 6, 2).training[:6], 3, (SIZE, SIZE)))


@pytest.fixture(scope="module")
def network() -> openvino.CompiledModel:
    core = openvino.Core()
    return core.compile_model(core.read_model(MODEL), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def seen(findings: Findings) -> Iterator[Seen]:
    for number, defect in enumerate(findings.defects):
        assert defect.mask is not None
        length = length_of(defect.mask.decode())
        yield Seen(str(number), defect.class_name, defect.score, defect.bbox, defect.area_px, length)


async def inspected(die: Die, network: openvino.CompiledModel, pool: DecoderPool) -> tuple[Findings, Judgement]:
    """What the service will do with one picture and its reference."""
    image = (await pool.decode(png(die.image))).pixels
    reference = (await pool.decode(png(die.reference))).pixels
    outputs = network({"pair": np.stack([image, reference])[None]})
    tensors = {port.get_any_name(): values for port, values in outputs.items()}
    spec = OutputSpec.from_mapping(OUTPUT)
    reads = adapter(spec, {name: (-1, *values.shape[1:]) for name, values in tensors.items()})
    (findings,) = reads.findings(tensors, Frame(SIZE, SIZE))
    quality = judge_quality(measure_quality(image), QualityLimits())
    return findings, judge(
        default_rule_set(), Inspection(SIZE, SIZE, tuple(seen(findings)), quality_failures=quality.reasons)
    )


async def test_pictures_of_drawn_dies_get_the_verdicts_that_their_truth_deserves(
    dies: list[Die], network: openvino.CompiledModel
) -> None:
    """Good dies pass. Dies with a crack or a missing bond fail and the rule is named, whatever else is on them."""
    good = [die for die in dies if not die.defects]
    grave = [die for die in dies if {defect.defect for defect in die.defects} & {Defect.CRACK, Defect.MISSING_BOND}]
    assert len(good) >= 3
    assert len(grave) >= 3
    async with DecoderPool() as pool:
        passed = [(await inspected(die, network, pool))[1] for die in good]
        failed = [(await inspected(die, network, pool))[1] for die in grave]
    assert [judgement.verdict for judgement in passed] == [Verdict.PASS] * len(good)
    assert all(judgement.met for judgement in passed)
    assert [judgement.verdict for judgement in failed] == [Verdict.FAIL] * len(grave)
    assert all(judgement.rule_hits for judgement in failed)


async def test_what_is_found_lies_where_it_was_drawn(dies: list[Die], network: openvino.CompiledModel) -> None:
    """Nine of ten drawn defects are found by a defect of their class that overlaps them."""
    drawn = found = 0
    async with DecoderPool() as pool:
        for die in dies:
            if not die.defects:
                continue
            findings, _ = await inspected(die, network, pool)
            masks = [(defect.class_name, defect.mask.decode()) for defect in findings.defects if defect.mask]
            for number, truth in enumerate(die.defects, start=1):
                place = die.instances == number
                name = truth.defect.name.lower()
                drawn += 1
                found += any(name == kind and (mask & place).any() for kind, mask in masks)
    assert drawn >= 10
    assert found >= 0.9 * drawn
