"""A `.gguf` file: a language model with its tokenizer and chat template inside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import GenerateSpec, ModelSpec, ProfileSpec, Task
from argosy.server.artifacts import triton_config
from argosy.server.artifacts.plan import Plan
from argosy.server.artifacts.readers.gguf_header import Metadata, read_metadata
from argosy.server.text.parsers import guess_reasoning_parser, guess_tool_parser

ENGINE = "openvino_genai"
MODEL_FILE = "model.gguf"
TEMPLATE_FILE = "chat_template.jinja"
_LARGEST_TEMPLATE = 1 << 20
_LONGEST_CONTEXT = 1 << 24

# What OpenVINO GenAI 2026.4 builds a network for.
_ARCHITECTURES = ("llama", "qwen2", "qwen3")

# ggml's `llama_ftype`: common labels that GenAI 2026.4 does not read.
_UNREADABLE = {8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 16: "Q5_K_S", 17: "Q5_K_M"}


def is_gguf(path: Path) -> bool:
    """Whether the file's name says that it is GGUF."""
    return path.suffix.lower() == ".gguf"


def plan_gguf(path: Path, name: str, origin: Mapping[str, Any]) -> Plan:
    """The entry of a GGUF file.

    Raises:
        InvalidModelEntry: the file is malformed, split, or of a kind that the engine cannot run.
    """
    metadata = read_metadata(path)
    _check_runnable(path, metadata)
    template = metadata.text("tokenizer.chat_template")
    if len(template) > _LARGEST_TEMPLATE:
        raise InvalidModelEntry(f"{path} has a chat template over 1 MiB, which no model needs.")
    spec = ModelSpec(
        name=name,
        task=Task.GENERATE,
        engine=ENGINE,
        model=MODEL_FILE,
        description=metadata.text("general.name")[:200],
        license=metadata.text("general.license")[:100],
        source=origin,
        profile=ProfileSpec(precision="bf16", weights=metadata.stored),
        generate=_generation(path, metadata, template),
    )
    texts = {TEMPLATE_FILE: template} if template else {}
    return Plan(spec, triton_config.render(spec), {MODEL_FILE: path}, texts)


def _generation(path: Path, metadata: Metadata, template: str) -> GenerateSpec:
    tokens = metadata.strings("tokenizer.ggml.tokens")
    bos, eos = (metadata.number(f"tokenizer.ggml.{role}_token_id") for role in ("bos", "eos"))
    ends = (eos, metadata.number("tokenizer.ggml.eot_token_id"), metadata.number("tokenizer.ggml.eom_token_id"))
    return GenerateSpec(
        context_length=_context_length(path, metadata),
        tokenizer=None,
        eos_token_ids=tuple(dict.fromkeys(token for token in ends if token is not None and 0 <= token < len(tokens))),
        chat_template=TEMPLATE_FILE if template else None,
        bos_token=tokens.get(bos) if bos is not None else "",
        eos_token=tokens.get(eos) if eos is not None else "",
        tool_parser=guess_tool_parser(template),
        reasoning_parser=guess_reasoning_parser(template),
    )


def _context_length(path: Path, metadata: Metadata) -> int:
    key = f"{metadata.text('general.architecture')}.context_length"
    length = metadata.number(key)
    if length is None or not 0 < length <= _LONGEST_CONTEXT:
        raise InvalidModelEntry(f"{path} has no usable {key!r} in its metadata; export it again.")
    return length


def _check_runnable(path: Path, metadata: Metadata) -> None:
    architecture = metadata.text("general.architecture")
    if architecture not in _ARCHITECTURES:
        raise InvalidModelEntry(
            f"{path} has the architecture {architecture[:64]!r}; the engine runs GGUF files of "
            f"{', '.join(_ARCHITECTURES)}. Export the original model with: "
            "optimum-cli export openvino --model MODEL --task text-generation-with-past --weight-format int8 FOLDER"
        )
    if (metadata.number("split.count") or 1) > 1:
        raise InvalidModelEntry(f"{path} is one of several parts; join them with: llama-gguf-split --merge")
    if (label := _UNREADABLE.get(metadata.number("general.file_type") or 0)) is not None:
        raise InvalidModelEntry(
            f"{path} has {label} weights, which the engine cannot read; use a Q8_0, Q6_K, Q4_K_M, Q4_0 or F16 file."
        )
    if not len(metadata.strings("tokenizer.ggml.tokens")):
        raise InvalidModelEntry(f"{path} has no tokenizer inside; export it again with its vocabulary.")
