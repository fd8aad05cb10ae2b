"""How a served model was built to run, under the names that deployment tools select by."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from argosy.core.models import ModelSpec, Task

_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+")
_SCHEMES = {"pypi": "pkg:pypi/{id}@{version}", "huggingface": "hf://{id}", "hf": "hf://{id}", "ngc": "ngc://{id}"}


@dataclass(frozen=True, slots=True)
class Profile:
    """One way to run one model.

    Attributes:
        id: 64 hexadecimal digits; the same for the same weights run in the same way.
        name: the same in words, such as `openvino-bf16-int8`.
        tags: what selectors compare, text to text.
    """

    id: str
    name: str
    model: str
    tags: Mapping[str, str]


def profile_of(spec: ModelSpec, *, adapters: bool = False) -> Profile:
    """The profile an entry was built as; `adapters` says whether LoRA adapters are served on it."""
    engine = "llm_engine" if spec.task is Task.GENERATE else "backend"
    tags = {
        engine: spec.engine,
        "precision": spec.profile.precision,
        "weights": spec.profile.weights,
        "tp": "1",
        "pp": "1",
        **({"feat_lora": "true"} if adapters else {}),
    }
    weights = spec.source.get("sha256") or spec.source.get("fingerprint") or ""
    identity = json.dumps([spec.name, str(weights), spec.model, tags], sort_keys=True)
    name = f"{spec.engine}-{spec.profile.label.replace('/', '-')}{'-lora' if adapters else ''}"
    return Profile(hashlib.sha256(identity.encode()).hexdigest(), name, spec.name, tags)


def origin(spec: ModelSpec) -> str:
    """Where a model comes from, as a URL, or the name it was known by there; never a path of this machine."""
    identity, version = str(spec.source.get("id") or ""), str(spec.source.get("version") or "")
    if _URL.fullmatch(identity):
        return identity
    form = _SCHEMES.get(str(spec.source.get("kind")))
    if form is not None and identity:
        return form.format(id=identity, version=version).rstrip("@")
    name = identity or str(spec.source.get("adopted") or spec.name)
    return spec.name if name.startswith(("/", "~", ".")) or "\\" in name else name


def version(spec: ModelSpec) -> str:
    """The version its source gave it, `1` when it gave none."""
    return str(spec.source.get("version") or "1")
