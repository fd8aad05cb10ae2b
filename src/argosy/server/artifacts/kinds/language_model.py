"""A folder with an OpenVINO language model, as `optimum-cli export openvino` writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import GenerateSpec, ModelSpec, ProfileSpec, Task
from argosy.server.artifacts import triton_config
from argosy.server.artifacts.kinds.network import network_files
from argosy.server.artifacts.plan import Plan
from argosy.server.artifacts.readers.architectures import architectures
from argosy.server.artifacts.source import Source
from argosy.server.text.parsers import guess_reasoning_parser, guess_tool_parser

ENGINE = "openvino_genai"
MODEL_FILE = "openvino_model.xml"
TEMPLATE_FILE = "chat_template.jinja"
_LONGEST_CONTEXT = 1 << 24
_TOKENIZER = "tokenizer.json"
_BESIDE = (
    "config.json",
    "generation_config.json",
    "openvino_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    _TOKENIZER,
    "openvino_tokenizer.xml",
    "openvino_tokenizer.bin",
    "openvino_detokenizer.xml",
    "openvino_detokenizer.bin",
)


def is_language_model(source: Source) -> bool:
    """Whether the folder holds a decoder; an embedding model made from one (`modules.json`) does not count."""
    if source.find(MODEL_FILE) is None or source.find("modules.json") is not None:
        return False
    return any(name.endswith("ForCausalLM") for name in architectures(source.json("config.json")))


def plan_language_model(source: Source, name: str, origin: Mapping[str, Any]) -> Plan:
    """The entry of an OpenVINO language model.

    Raises:
        InvalidModelEntry: a file is missing or says something unusable.
    """
    model = source.find(MODEL_FILE)
    if model is None:
        raise InvalidModelEntry(f"{source.root} has no {MODEL_FILE}.")
    if source.find("openvino_tokenizer.xml") is None and source.find(_TOKENIZER) is None:
        raise InvalidModelEntry(
            f"{source.root} has neither openvino_tokenizer.xml nor {_TOKENIZER}; copy the tokenizer's files there."
        )
    template = chat_template(source)
    spec = ModelSpec(
        name=name,
        task=Task.GENERATE,
        engine=ENGINE,
        model=MODEL_FILE,
        source=origin,
        profile=ProfileSpec(precision="bf16", weights=_weights(source)),
        generate=generation(source, template),
    )
    files, copied = network_files(model)
    files |= {found.name: found for file in _BESIDE if (found := source.find(file)) is not None}
    return Plan(spec, triton_config.render(spec), files, {TEMPLATE_FILE: template} if template else {}, copied)


def generation(source: Source, template: str | None) -> GenerateSpec:
    """How the language model in a folder is driven, by its config, its generation config and its tokenizer's.

    Args:
        source: the folder.
        template: text of its chat template, or None.

    Raises:
        InvalidModelEntry: a file says something unusable, or nothing says how long a context may be.
    """
    config, defaults = source.json("config.json"), source.json("generation_config.json")
    tokenizer = source.json("tokenizer_config.json")
    return GenerateSpec(
        context_length=_context_length(source, config),
        tokenizer=_TOKENIZER if source.find(_TOKENIZER) else None,
        eos_token_ids=_token_ids(source, defaults.get("eos_token_id", config.get("eos_token_id"))),
        chat_template=TEMPLATE_FILE if template else None,
        bos_token=_token(tokenizer.get("bos_token")),
        eos_token=_token(tokenizer.get("eos_token")),
        tool_parser=guess_tool_parser(template or ""),
        reasoning_parser=guess_reasoning_parser(template or ""),
    )


def _context_length(source: Source, config: Mapping[str, Any]) -> int:
    nested = config.get("text_config")
    for section in (config, nested if isinstance(nested, dict) else {}):
        for key in ("max_position_embeddings", "n_positions", "seq_length", "max_seq_len"):
            length = section.get(key)
            if isinstance(length, int) and 0 < length <= _LONGEST_CONTEXT:
                return length
    raise InvalidModelEntry(
        f'{source.root / "config.json"} does not say how long a context may be; add "max_position_embeddings".'
    )


def _token_ids(source: Source, value: Any) -> tuple[int, ...]:
    values = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(token, int) and token >= 0 for token in values):
        raise InvalidModelEntry(f"{source.root}: eos_token_id must be a token number or a list of them.")
    return tuple(values)


def chat_template(source: Source) -> str | None:
    """The chat template's text: its own file, else the tokenizer's default one; None when there is neither.

    Raises:
        InvalidModelEntry: a file cannot be read.
    """
    if (text := source.text(TEMPLATE_FILE)) is not None:
        return text
    template = source.json("tokenizer_config.json").get("chat_template")
    if isinstance(template, list):
        named = {item.get("name"): item.get("template") for item in template if isinstance(item, dict)}
        template = named.get("default")
    return template if isinstance(template, str) and template else None


def _token(value: Any) -> str:
    content = value.get("content") if isinstance(value, dict) else value
    return content if isinstance(content, str) else ""


def _weights(source: Source) -> str:
    """How `openvino_config.json` says the weights are stored; exporters write it only when they quantise."""
    config = source.json("openvino_config.json")
    quantization = config.get("quantization_config")
    bits = quantization.get("bits") if isinstance(quantization, dict) else None
    if isinstance(bits, int):
        return f"int{bits}"
    return {"fp16": "fp16", "bf16": "bf16", "float16": "fp16", "bfloat16": "bf16"}.get(str(config.get("dtype")), "fp32")
