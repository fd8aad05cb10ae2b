"""What a model is: the content of `argosy.yaml`, as frozen values.

A model on disk is a Triton model repository entry plus one file:
`<store>/<model>/{config.pbtxt, argosy.yaml, <version>/…}`. Reading it from disk is `argosy.store.entries`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from argosy.core.errors import InvalidModelEntry

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""What a model may be called; also what keeps a name from leaving its directory."""


class Task(StrEnum):
    """What a model does, and with it which tensors it takes and which routes serve it."""

    EMBED = "embed"
    RANK = "rank"
    CLASSIFY = "classify"
    GENERATE = "generate"
    TENSOR = "tensor"


class Pooling(StrEnum):
    """How token states become one vector; NONE when the network already returns one vector a text."""

    MEAN = "mean"
    CLS = "cls"
    LAST = "last"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class TextSpec:
    """How an encoder reads text.

    Attributes:
        tokenizer: file in the version folder, Hugging Face `tokenizers` format.
        max_tokens: longest input, special tokens included.
        dimensions: length of the vector.
        prefixes: text put before the input for each `input_type` (`query`, `passage`).
        pair: the network reads query and passage together and scores them itself (rank only; a cross-encoder).
    """

    tokenizer: str = "tokenizer.json"
    max_tokens: int = 512
    pooling: Pooling = Pooling.MEAN
    normalize: bool = True
    dimensions: int = 0
    prefixes: Mapping[str, str] = field(default_factory=dict)
    pair: bool = False


@dataclass(frozen=True, slots=True)
class GenerateSpec:
    """How a language model is driven.

    Attributes:
        tokenizer: file in the version folder, or None when the engine brings its own (GGUF).
        context_length: prompt and answer together, tokens.
        chat_template: Jinja file in the version folder, or None when the model has no chat form.
        tool_parser: name of the family whose tool-call syntax the model emits, or None.
        reasoning_parser: name of the family whose marks the model puts around its thoughts, or None.
        adapter: folder in the version folder with a LoRA adapter in PEFT's format, or None.
    """

    context_length: int
    tokenizer: str | None = "tokenizer.json"
    eos_token_ids: tuple[int, ...] = ()
    chat_template: str | None = None
    bos_token: str = ""
    eos_token: str = ""
    tool_parser: str | None = None
    reasoning_parser: str | None = None
    adapter: str | None = None


@dataclass(frozen=True, slots=True)
class ProfileSpec:
    """The way this entry was built to run.

    Attributes:
        precision: arithmetic the engine is asked for (`bf16`, `f32`); falls back where the machine lacks it.
        weights: how weights are stored.
        activations: `int8` when what flows between layers is rounded as well; empty when it is in `precision`.
    """

    precision: str = "f32"
    weights: str = "fp32"
    activations: str = ""

    @property
    def label(self) -> str:
        """Short form for tables, `bf16` or `bf16/int8`."""
        return self.precision if self.weights in {self.precision, "fp32"} else f"{self.precision}/{self.weights}"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model store entry.

    Attributes:
        name: what clients call it; matches `NAME`.
        engine: name in `argosy.engines.registry`.
        model: the engine's main file, relative to the version folder.
        parent: the model this one is an adapter of, or None.
        head: safetensors file with `weight` [classes, dimensions] and `bias` [classes] (classify only).
        accuracy: measured figures, as written by whoever built the entry.
        proof: how the entry compared with its reference: `passed`, the figures and the thresholds they were held to.
    """

    name: str
    task: Task
    engine: str
    model: str = "model.xml"
    description: str = ""
    license: str = ""
    source: Mapping[str, Any] = field(default_factory=dict)
    profile: ProfileSpec = field(default_factory=ProfileSpec)
    text: TextSpec | None = None
    generate: GenerateSpec | None = None
    parent: str | None = None
    head: str | None = None
    labels: tuple[str, ...] = ()
    accuracy: Mapping[str, Any] = field(default_factory=dict)
    proof: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> ModelSpec:
        """Build a spec from decoded `argosy.yaml`.

        Raises:
            InvalidModelEntry: a required key is missing, unknown, or has a wrong value; the message names it.
        """
        if data.get("schema") != 1:
            raise InvalidModelEntry("argosy.yaml must say 'schema: 1'.")
        fields = {key: value for key, value in data.items() if key != "schema"}
        name = str(fields.get("name", ""))
        check_name(name)
        nested = {"profile": ProfileSpec, "text": TextSpec, "generate": GenerateSpec}
        try:
            fields["task"] = Task(fields["task"])
            for key, kind in nested.items():
                if fields.get(key) is not None:
                    fields[key] = _section(kind, fields[key])
            fields["labels"] = tuple(fields.get("labels", ()))
            spec = cls(**fields)
        except KeyError as missing:
            raise InvalidModelEntry(f"argosy.yaml of {name!r} lacks the key {missing}.") from missing
        except (TypeError, ValueError) as error:
            raise InvalidModelEntry(f"argosy.yaml of {name!r}: {error}.") from error
        spec._check()
        return spec

    def _check(self) -> None:
        if self.task is Task.GENERATE and self.generate is None:
            raise InvalidModelEntry(f"argosy.yaml of {self.name!r}: task 'generate' needs a 'generate' section.")
        if self.task in {Task.EMBED, Task.RANK, Task.CLASSIFY} and self.text is None:
            raise InvalidModelEntry(f"argosy.yaml of {self.name!r}: task '{self.task}' needs a 'text' section.")
        if self.text is not None and self.text.pair and self.task is not Task.RANK:
            raise InvalidModelEntry(f"argosy.yaml of {self.name!r}: 'text.pair' is for task 'rank' only.")
        if self.text is not None and self.text.pair and self.text.pooling is not Pooling.NONE:
            raise InvalidModelEntry(f"argosy.yaml of {self.name!r}: 'text.pair' needs 'pooling: none'.")
        if self.task is Task.CLASSIFY and not self.labels:
            raise InvalidModelEntry(f"argosy.yaml of {self.name!r}: task 'classify' needs 'labels'.")


def check_name(name: str) -> None:
    """Refuse a name that clients could not say or that could leave its directory.

    Raises:
        InvalidModelEntry: the name does not match `NAME`.
    """
    if NAME.fullmatch(name) is None:
        raise InvalidModelEntry(
            f"Model name {name!r} is not allowed: use 1-64 characters of a-z, 0-9, '.', '_' and '-', "
            "the first a letter or digit."
        )


def _section(kind: type[Any], data: Mapping[str, Any]) -> Any:
    values = dict(data)
    if "pooling" in values:
        values["pooling"] = Pooling(values["pooling"])
    if "eos_token_ids" in values:
        values["eos_token_ids"] = tuple(int(token) for token in values["eos_token_ids"])
    return kind(**values)
