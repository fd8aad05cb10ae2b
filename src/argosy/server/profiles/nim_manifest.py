"""NIM's `model_manifest.yaml`, in both of its schemas.

Version 1 is a mapping from profile id to `{model, release, tags, container_url, workspace}`; version 2 is
`{schema_version: 2.x, profile_selection_criteria, profiles: [{id, tags, workspace}]}`. Source: the manifests and the
parser in NVIDIA's k8s-nim-operator (Apache-2.0), read for their form. Values are texts; YAML tags such as
`!workspace` name classes of NVIDIA's and are read as the plain values behind them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from argosy.core.errors import InvalidSetting
from argosy.server.profiles.facts import Facts
from argosy.server.profiles.generate import footprint
from argosy.server.profiles.manifest import Manifest
from argosy.server.profiles.profile import ANY_GPU, NO_GPU, Device, GpuModel, Objective, Profile, Requirements

_LARGEST = 8 << 20
_MOST_PROFILES = 10_000
_LONGEST_PATTERN = 200
_ID = re.compile(r"[0-9a-f]{64}")
_ENGINES = {
    "trtllm": "tensorrt_llm",
    "trt": "tensorrt",
    "onnx": "onnxruntime",
    "ort": "onnxruntime",
    "pytorch": "torch",
}
_ON_CPU = frozenset({"openvino", "openvino_genai", "echo"})
_BY_PRECISION = {"fp8": (8, 9), "bf16": (8, 0), "nvfp4": (10, 0), "mxfp4": (9, 0)}
_BY_ENGINE = {"tensorrt_llm": (8, 0), "vllm": (7, 0), "tensorrt": (7, 5), "onnxruntime": (7, 0), "torch": (7, 0)}


class _Loader(yaml.SafeLoader):
    """YAML's plain types; what carries a tag of somebody's own is read as if it had none."""


def _untagged(loader: _Loader, _suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


_Loader.add_multi_constructor("!", _untagged)


def read_manifest(path: Path, facts: Facts | None = None) -> Manifest:
    """The profiles in a manifest file.

    Args:
        path: the file.
        facts: of the model they are for, by which their memory is computed; None leaves that unchecked.

    Raises:
        InvalidSetting: the file cannot be read, or is of neither schema; the message names what is wrong in it.
    """
    data = _load(path)
    try:
        entries = list(_entries(data))
        profiles = tuple(_profile(identity, item, facts) for identity, item in entries)
    except _Wrong as wrong:
        raise InvalidSetting(f"{path} is not a manifest that can be used: {wrong}.") from None
    counted = Counter(profile.id for profile in profiles)
    if twice := next((identity for identity, count in counted.items() if count > 1), None):
        raise InvalidSetting(f"{path} is not a manifest that can be used: the profile {twice} stands twice.")
    model = (
        facts.name if facts is not None else next((profile.model for profile in profiles if profile.model), path.stem)
    )
    named = tuple(replace(profile, model=profile.model or model) for profile in profiles)
    return Manifest(model, named, str(path), facts.context if facts is not None else 0)


class _Wrong(Exception):
    """The file breaks the schema; the text says where."""


def _load(path: Path) -> Any:
    try:
        if path.stat().st_size > _LARGEST:
            raise InvalidSetting(f"{path} is larger than {_LARGEST >> 20} MiB, which no manifest is.")
        # The loader is YAML's safe one.
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise InvalidSetting(f"{path} cannot be read as YAML: {' '.join(str(error).split())}.") from None


def _entries(data: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Id and content of each profile, of either schema."""
    if not isinstance(data, dict) or not data:
        raise _Wrong("it must hold a mapping of profiles")
    version = data.get("schema_version")
    if version is None:
        pairs = list(data.items())
    else:
        if str(version).partition(".")[0] != "2":
            raise _Wrong(
                f"its schema_version is {str(version)[:20]!r}; this version of Argosy reads 1 (none stated) and 2"
            )
        listed = data.get("profiles")
        if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
            raise _Wrong("'profiles' must be a list of mappings")
        pairs = [(item.get("id"), item) for item in listed]
    if len(pairs) > _MOST_PROFILES:
        raise _Wrong(f"it has more than {_MOST_PROFILES} profiles")
    for identity, item in pairs:
        if not isinstance(identity, str) or _ID.fullmatch(identity) is None:
            raise _Wrong(f"the profile id {str(identity)[:80]!r} is not 64 hexadecimal digits")
        if not isinstance(item, dict):
            raise _Wrong(f"the profile {identity[:12]}… is no mapping")
        yield identity, item


def _profile(identity: str, item: Mapping[str, Any], facts: Facts | None) -> Profile:
    tags = _tags(identity, item.get("tags"))
    engine = _engine(identity, tags)
    tp, pp = (_count(identity, tags, key) for key in ("tp", "pp"))
    precision = tags.get("precision", "").lower()
    device = Device.CPU if engine in _ON_CPU or tags.get("gpu") == NO_GPU else Device.GPU
    gpu = _gpu(identity, tags)
    lowest = (0, 0) if gpu is not None else max(_BY_ENGINE.get(engine, (0, 0)), _BY_PRECISION.get(precision, (0, 0)))
    taken = None if facts is None else footprint(facts, precision, engine, device, tp=tp)
    objective = tags.get("objective", tags.get("profile", "")).lower()
    return Profile(
        id=identity,
        name=_name(engine, tags),
        model=str(item.get("model") or ""),
        tags={**tags, "engine": engine},
        needs=Requirements(engine, device, tp, pp, gpu, lowest if device is Device.GPU else (0, 0), footprint=taken),
        precision=precision,
        objective=Objective(objective) if objective in set(Objective) else None,
        lora=tags.get("feat_lora", tags.get("lora", "")).lower() == "true",
        built=tags.get("trtllm_buildable", "").lower() != "true",
    )


def _tags(identity: str, found: Any) -> dict[str, str]:
    if not isinstance(found, dict) or not found:
        raise _Wrong(f"the profile {identity[:12]}… has no tags")
    tags = {}
    for key, value in found.items():
        if not isinstance(value, str | int | float | bool):
            raise _Wrong(f"the tag {str(key)[:40]!r} of the profile {identity[:12]}… is no text")
        tags[str(key)] = str(value).lower() if isinstance(value, bool) else str(value)
    return tags


def _engine(identity: str, tags: Mapping[str, str]) -> str:
    for key in ("llm_engine", "engine", "backend", "type"):
        if tags.get(key):
            word = tags[key].lower()
            return _ENGINES.get(word, word)
    raise _Wrong(f"the profile {identity[:12]}… names no engine: it has neither llm_engine nor backend")


def _count(identity: str, tags: Mapping[str, str], key: str) -> int:
    text = tags.get(key, "1")
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise _Wrong(f"the tag {key!r} of the profile {identity[:12]}… is {text[:20]!r}, not a number from 1 to 1024")
    return int(text)


def _gpu(identity: str, tags: Mapping[str, str]) -> GpuModel | None:
    pattern, name, device = (tags.get(key, "") for key in ("product_name_regex", "gpu", "gpu_device"))
    if len(pattern) > _LONGEST_PATTERN:
        raise _Wrong(f"product_name_regex of the profile {identity[:12]}… is longer than {_LONGEST_PATTERN} characters")
    try:
        re.compile(pattern)
    except re.error as error:
        raise _Wrong(f"product_name_regex of the profile {identity[:12]}… is no regular expression: {error}") from None
    name = "" if name.lower() in {ANY_GPU, NO_GPU, "generic"} else name
    return GpuModel(name, device, pattern) if name or device or pattern else None


def _name(engine: str, tags: Mapping[str, str]) -> str:
    """What NIM calls it: engine, GPU, precision, parallelism, objective, PCI device, adapters."""
    buildable = tags.get("trtllm_buildable", "").lower() == "true"
    gpu = tags.get("gpu", "")
    spread = [f"{key}{tags[key]}" for key in ("tp", "pp") if key in tags]
    lora = "feat_lora" if tags.get("feat_lora", "").lower() == "true" else ""
    parts = [
        "" if gpu in {ANY_GPU, NO_GPU} else gpu or tags.get("key", ""),
        "trtllm_buildable" if buildable else "",
        tags.get("precision", ""),
        *spread,
        tags.get("profile", tags.get("objective", "")),
        tags.get("gpu_device", ""),
        lora,
    ]
    # A profile for any GPU repeats its engine as its key.
    return "-".join([engine, *(part for part in parts if part and _ENGINES.get(part.lower(), part.lower()) != engine)])
