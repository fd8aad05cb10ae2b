"""Asks the engine that will serve a profile, and compares its answers with the original's.

Runs on the serving interpreter with the serving engine: tokenizer, padding, batching, pooling and precision are those
of the served model, so that what is proven is what will be served.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from argosy.conversion.proof.measures import NotFinite
from argosy.conversion.sources.kinds import Kind
from argosy.conversion.steps.proofs import language, tensors, texts
from argosy.core.models import ModelSpec
from argosy.engines.contract import EngineOptions

_ROWS = 64


def perform(request: Mapping[str, Any], output: Path) -> dict[str, Any]:
    """Compare one profile.

    Returns:
        `figures`, `speed` and `unit`; or `not_finite`, a sentence, when there is nothing to compare.
    """
    kind = Kind(request["kind"])
    spec = ModelSpec.from_mapping(yaml.safe_load(request["entry"]["spec"]))
    version = _version_folder(request["entry"], output)
    options = EngineOptions(version, request["threads"], max_batch_size=_ROWS, parameters={"warm_up": "0"})
    measure = language.measure if kind is Kind.DECODER else tensors.measure if kind.served_by_tensors else texts.measure
    try:
        return measure(kind, spec, options, request)
    except NotFinite as error:
        return {"not_finite": str(error)}


def _version_folder(entry: Mapping[str, Any], output: Path) -> Path:
    """The version folder as it will be published, made of links."""
    version = output / "1"
    for name, path in entry["files"].items():
        target = version / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
    for name, text in entry["texts"].items():
        (version / name).write_text(text, encoding="utf-8")
    return version
