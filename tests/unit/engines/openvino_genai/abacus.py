"""The bundled language model, for what a model without sense cannot show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from argosy.engines.contract import Constraint, EngineOptions, GenerationRequest, Sampling
from argosy.engines.openvino_genai.engine import OpenVINOGenAIEngine, create
from argosy.store.entries import ModelEntry, read_entry

ABACUS = Path(__file__).parents[4] / "models" / "abacus"


def entry() -> ModelEntry:
    """Its entry in the bundled store."""
    return read_entry(ABACUS)


def abacus_engine(adapter: str | None = None, directory: Path | None = None) -> OpenVINOGenAIEngine:
    """An engine for it that is not started, with its files or those of another folder."""
    spec, newest = entry().spec, entry().newest
    assert spec.generate is not None
    spec = replace(spec, generate=replace(spec.generate, adapter=adapter))
    return create(spec, EngineOptions(directory or newest, threads=1))


def question(text: str, constraint: Constraint | None = None, **values: object) -> GenerationRequest:
    """A greedy question in the model's own chat form."""
    sampling = replace(
        Sampling(max_tokens=120, temperature=0.0, add_special_tokens=False, constraint=constraint), **values
    )
    return GenerationRequest(f"<|bos|><|user|>{text}<|end|><|assistant|>", sampling)
