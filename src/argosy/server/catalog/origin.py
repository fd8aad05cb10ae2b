"""Where a served model comes from and which version of it this is, as deployment tools are told."""

from __future__ import annotations

import re

from argosy.core.models import ModelSpec

_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+")
_SCHEMES = {"pypi": "pkg:pypi/{id}@{version}", "huggingface": "hf://{id}", "hf": "hf://{id}", "ngc": "ngc://{id}"}


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
