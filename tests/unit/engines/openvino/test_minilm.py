"""The bundled encoder on its reference vectors: what the whole engine is for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from argosy.core.tensors import text_tensor
from argosy.engines.contract import EngineOptions, TensorEngine, TensorRequest
from argosy.engines.openvino.engine import create
from argosy.store.entries import read_entry
from tests.suites.engine_contract import succeeded

REPOSITORY = Path(__file__).parents[4]
DATA = REPOSITORY / "tests" / "data" / "models"
EVERY = 5
"""One sentence in five is enough here; the models' own test takes all."""


@pytest.fixture(scope="module", params=["f32", "bf16"])
def engine(request: pytest.FixtureRequest) -> Iterator[TensorEngine]:
    entry = read_entry(REPOSITORY / "models" / "all-minilm-l6-v2")
    spec = replace(entry.spec, profile=replace(entry.spec.profile, precision=request.param))
    engine = create(spec, EngineOptions(entry.newest, threads=2, max_batch_size=64, parameters={"warm_up": "0"}))
    engine.start()
    yield engine
    engine.stop()


def test_equals_the_reference(engine: TensorEngine) -> None:
    """Embeddings have unit length and a cosine to the fp32 reference of 0.999 on average and 0.995 at least."""
    sentences = (DATA / "minilm_sentences.txt").read_text(encoding="utf-8").splitlines()[::EVERY]
    reference = np.load(DATA / "minilm_reference.npy")[::EVERY]
    result = succeeded(engine.infer([TensorRequest({"text": text_tensor(sentences)})])[0])
    cosine = (result["embedding"] * reference).sum(axis=1) / np.linalg.norm(reference, axis=1)
    np.testing.assert_allclose(np.linalg.norm(result["embedding"], axis=1), 1, atol=1e-5)
    assert cosine.mean() >= 0.999
    assert cosine.min() >= 0.995


def test_company_changes_little(engine: TensorEngine) -> None:
    """The same text alone and among longer ones has the same embedding, within the precision."""
    texts = ["A short one.", "A sentence that is a good deal longer than the first one and makes padding necessary."]
    together = succeeded(engine.infer([TensorRequest({"text": text_tensor(texts * 8)})])[0])["embedding"]
    alone = succeeded(engine.infer([TensorRequest({"text": text_tensor(texts[:1])})])[0])["embedding"]
    assert float(together[0] @ alone[0]) > 0.9999
