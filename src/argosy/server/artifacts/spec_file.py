"""Writes `argosy.yaml`; `argosy.core.models.ModelSpec.from_mapping` reads it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from typing import Any

import yaml

from argosy.core.models import ModelSpec


def render(spec: ModelSpec) -> str:
    """The text of `argosy.yaml`; values equal to their defaults are left out."""
    return yaml.safe_dump({"schema": 1, **_mapping(spec)}, sort_keys=False, allow_unicode=True, width=110)


def _mapping(value: Any) -> dict[str, Any]:
    return {
        item.name: _plain(content) for item in fields(value) if (content := getattr(value, item.name)) != _default(item)
    }


def _default(item: Any) -> Any:
    return item.default_factory() if item.default_factory is not MISSING else item.default


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return _mapping(value)
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return value
