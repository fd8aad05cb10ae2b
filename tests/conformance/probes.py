"""Requests that send every field of every route, for a server of the bundled models.

What is to come of each follows from the fields it has and from what the routes say of them; see `expectation`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from argosy.server.artifacts.places import bundled_store

CHAT, EMBED, RANK, CLASSIFY = "abacus", "all-minilm-l6-v2", "minilm-reranker", "minilm-sentiment"
_SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
_GRAMMAR = 'root ::= "yes" | "no"'
_IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
_SHARED = {"shared_memory_region": "region", "shared_memory_byte_size": 4}
_TENSOR = {"name": "text", "shape": [1, 1], "datatype": "BYTES"}
_TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Tells it.", "parameters": _SCHEMA, "strict": True},
}
_TALK = [
    {"role": "user", "name": "ann", "content": [{"type": "text", "text": "Hello"}]},
    {
        "role": "assistant",
        "content": "",
        "reasoning_content": "Hm.",
        "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "21"},
]


@dataclass(frozen=True)
class Probe:
    """A request.

    Attributes:
        body: put over the body of `BASES`; None takes a field away.
        tail: bytes behind the JSON, which is then announced by the header.
        lacking: the field that asks for what the bundled model or its engine cannot do; empty when none does.
        meaning: the fields under the names that the page has for them, where the body has others.
    """

    body: Mapping[str, Any]
    tail: bytes = b""
    lacking: str = ""
    meaning: Mapping[str, Any] = field(default_factory=dict)


def each(fields: Mapping[str, Any], *, lacking: bool = False) -> list[Probe]:
    """A request for each field."""
    return [Probe({name: value}, lacking=name if lacking else "") for name, value in fields.items()]


BASES: Mapping[str, Mapping[str, Any]] = {
    "/v1/chat/completions": {"model": CHAT, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2},
    "/v1/completions": {"model": CHAT, "prompt": "1 + 1", "max_tokens": 2},
    "/v1/embeddings": {"model": EMBED, "input": ["a boat"]},
    "/v1/classify": {"model": CLASSIFY, "input": ["What a fine day."]},
    "/v1/ranking": {"model": RANK, "query": {"text": "a boat"}, "passages": [{"text": "a ship"}]},
    "/v1/rerank": {"model": RANK, "query": "a boat", "documents": ["a ship", "salt"]},
    "/v2/rerank": {"model": RANK, "query": "a boat", "documents": ["a ship", "salt"]},
    "/rerank": {"query": "a boat", "texts": ["a ship", "salt"]},
    "/tokenize": {"model": CHAT, "prompt": "1 + 1"},
    "/detokenize": {"model": CHAT, "tokens": [50, 51]},
    f"/v2/models/{EMBED}/infer": {"inputs": [{**_TENSOR, "data": ["a boat"]}]},
    f"/v2/models/{CHAT}/generate": {"text_input": "1 + 1", "max_tokens": 2},
    f"/v2/models/{CHAT}/generate_stream": {"text_input": "1 + 1", "max_tokens": 2},
    "/v2/repository/index": {},
    f"/v2/repository/models/{CLASSIFY}/load": {},
    f"/v2/repository/models/{CLASSIFY}/unload": {},
    "/api/v1/jobs": {"kind": "convert", "model": "nobody/nothing"},
}
"""A body that each address takes."""

_CONSTRAINTS = {"json": _SCHEMA, "choice": ["yes", "no"], "regex": "[0-9]+", "grammar": _GRAMMAR}
_GUIDED = {f"guided_{name}": value for name, value in _CONSTRAINTS.items()}
_GENERATION = [
    Probe(
        {
            "n": 2,
            "min_tokens": 1,
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 5,
            "min_p": 0.1,
            "frequency_penalty": 0.1,
            "presence_penalty": 0.1,
            "repetition_penalty": 1.1,
            "seed": 1,
            "stop": ["x"],
            "ignore_eos": True,
            "include_stop_str_in_output": True,
            "user": "ann",
        }
    ),
    Probe({"stream": True, "stream_options": {"include_usage": True, "continuous_usage_stats": True}}),
    Probe({"stream": True, "stream_options": {"include_obfuscation": True}}),
    Probe({"nvext": {"ignore_eos": True, "repetition_penalty": 1.1, "top_k": 5}}),
    Probe({"response_format": {"type": "json_object"}}),
    Probe(
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "a", "description": "b", "schema": _SCHEMA, "strict": False},
            }
        }
    ),
    Probe({"structured_outputs": {"json_object": True}}),
    *each(_GUIDED),
    *(Probe({"nvext": {name: value}}) for name, value in _GUIDED.items()),
    *(Probe({"structured_outputs": {name: value}}) for name, value in _CONSTRAINTS.items()),
    *(
        Probe({"structured_outputs": {name: value}})
        for name, value in {
            "structural_tag": {"format": {}},
            "whitespace_pattern": " ",
            "disable_any_whitespace": True,
            "disable_additional_properties": True,
        }.items()
    ),
    *each({"logit_bias": {"5": 1}}, lacking=True),
    *each(
        {
            "best_of": 2,
            "suffix": "end",
            "prompt_logprobs": 1,
            "functions": [{"name": "f"}],
            "function_call": {"name": "f"},
            "modalities": ["audio"],
            "audio": {"voice": "ash", "format": "wav"},
            "prediction": {"type": "content", "content": "a"},
            "web_search_options": {},
            "moderation": {"model": "m"},
            "chat_template": "{{ messages }}",
            "cache_salt": "mine",
            "documents": [{"text": "a"}],
            "add_generation_prompt": False,
            "continue_final_message": True,
            "guided_whitespace_pattern": " ",
            "use_beam_search": True,
            "length_penalty": 0.5,
            "stop_token_ids": [2],
            "bad_words": ["no"],
            "skip_special_tokens": False,
            "logits_processors": ["os.system"],
            "truncate_prompt_tokens": 5,
        }
    ),
    *each(
        {
            "guided_decoding_backend": "xgrammar",
            "metadata": {"a": "b"},
            "store": True,
            "service_tier": "flex",
            "safety_identifier": "ann",
            "prompt_cache_key": "a",
            "verbosity": "low",
        }
    ),
]
_THINKING = each({"reasoning_effort": "low", "chat_template_kwargs": {"enable_thinking": True}}, lacking=True)
_CHAT = [
    *_GENERATION,
    *_THINKING,
    Probe({"messages": _TALK, "tools": [_TOOL], "parallel_tool_calls": False}),
    Probe({"messages": [{"role": "user", "content": [_IMAGE]}]}),
    Probe({"tools": [_TOOL], "tool_choice": {"type": "function", "function": {"name": "get_weather"}}}),
    Probe({"max_completion_tokens": 2, "logprobs": True}),
    Probe({"logprobs": True, "top_logprobs": 2}, lacking="top_logprobs"),
    Probe({"echo": True}),
]
_COMPLETIONS = [
    *_GENERATION,
    Probe({"echo": True}),
    Probe({"logprobs": 0}),
    Probe({"logprobs": 2}, lacking="logprobs"),
    *each(
        {
            "messages": _TALK,
            "tools": [_TOOL],
            "tool_choice": "required",
            "reasoning_effort": "low",
            "chat_template_kwargs": {"enable_thinking": True},
            "top_logprobs": 2,
        }
    ),
]
_RERANK = [
    Probe({"top_n": 1, "return_documents": True, "max_tokens_per_doc": 100_000, "user": "ann"}),
    Probe({"max_tokens_per_doc": 1}, lacking="max_tokens_per_doc"),
    *each({"rank_fields": ["title"], "max_chunks_per_doc": 2, "priority": 1}),
]
_SAMPLING: tuple[dict[str, Any], ...] = (
    {
        "max_tokens": 2,
        "min_tokens": 1,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 5,
        "min_p": 0.1,
        "repetition_penalty": 1.1,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.1,
        "seed": 1,
        "stop": ["x"],
        "ignore_eos": True,
        "add_special_tokens": True,
        "include_stop": True,
        "logprobs": True,
        "counts": True,
    },
    {"constraint": {"kind": "regex", "text": "[0-9]+"}},
)


def _three_ways(fields: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    return {"sampling_parameters": fields}, {"parameters": fields}, fields


_BEYOND: Mapping[str, dict[str, Any]] = {
    "logit_bias": {"logit_bias": {"5": 1}},
    "top_logprobs": {"logprobs": True, "top_logprobs": 2},
}
_GENERATE = [
    *(Probe(body, meaning={"sampling_parameters": fields}) for fields in _SAMPLING for body in _three_ways(fields)),
    *(
        Probe(body, lacking=f"sampling_parameters.{name}", meaning={"sampling_parameters": fields})
        for name, fields in _BEYOND.items()
        for body in _three_ways(fields)
    ),
    Probe({"id": "mine", "text_input": None, "input_ids": [50, 51], "sampling_parameters": '{"seed": 1}'}),
    Probe(
        {
            "stream": False,
            "streaming": True,
            "exclude_input_in_output": True,
            "return_finish_reason": True,
            "return_num_input_tokens": True,
            "return_num_output_tokens": True,
        }
    ),
    *each({"exclude_input_in_output": False, "return_cumulative_logprob": True}),
]
_OUTPUT = {"name": "embedding"}
_PARAMETERS = {
    "priority": 1,
    "timeout": 10_000_000,
    "sequence_id": 7,
    "sequence_start": True,
    "sequence_end": True,
    "truncate": "END",
    "input_type": "query",
}
_INFER = [
    Probe({"id": "mine", "parameters": _PARAMETERS}),
    Probe({"parameters": {"binary_data_output": True}}),
    Probe({"parameters": {"triton_mine": 1}}),
    Probe({"outputs": [{**_OUTPUT, "parameters": {"binary_data": False, "classification": 1}}]}),
    Probe({"outputs": [{**_OUTPUT, "parameters": _SHARED}]}),
    Probe({"inputs": [{**_TENSOR, "parameters": _SHARED}]}),
    Probe({"inputs": [{**_TENSOR, "parameters": {"binary_data_size": 10}}]}, tail=b"\x06\x00\x00\x00a boat"),
]
_FILE = str(bundled_store() / CLASSIFY / "argosy.yaml")
"""A file that jobs may read, and none of them can use: what is ordered here ends at once."""
_JOBS = [
    Probe(
        {
            "name": "nothing",
            "precision": "int8",
            "engine": "openvino",
            "task": "embed",
            "calibration": _FILE,
            "samples": 8,
            "memory": "2GiB",
            "timeout": 60,
            "output": str(bundled_store()),
            "max_batch": 8,
            "max_dimension": 64,
            "workspace": "1GiB",
            "hardware_compatible": True,
            "resume": True,
            "keep_work": True,
            "replace": True,
            "load": True,
        }
    ),
    Probe(
        {
            "kind": "analyze",
            "model": CLASSIFY,
            "objective": "latency",
            "p99_ms": 50,
            "memory": "2GiB",
            "min_throughput": 1,
            "budget": 1,
            "minutes": 1,
            "concurrency": [1],
            "precisions": ["f32"],
            "space": _FILE,
            "inputs": _FILE,
            "rows": 1,
            "seed": 1,
            "apply": True,
            "load": True,
        }
    ),
]
PROBES: Mapping[str, Sequence[Probe]] = {
    "/api/v1/jobs": _JOBS,
    "/v1/chat/completions": _CHAT,
    "/v1/completions": _COMPLETIONS,
    "/v1/embeddings": [
        Probe({"dimensions": 8, "encoding_format": "base64", "input_type": "query", "truncate": "END", "user": "ann"}),
        *each({"embedding_type": "int8", "modality": "image"}),
        Probe({"modality": ["text", "image"]}),
    ],
    "/v1/classify": [Probe({"truncate": "END", "user": "ann"})],
    "/v1/ranking": [
        Probe({"truncate": "END", "user": "ann"}),
        Probe({"passages": [{"image": "data:image/png;base64,iVBORw0KGgo="}]}),
    ],
    "/v1/rerank": _RERANK,
    "/v2/rerank": _RERANK,
    "/rerank": [
        Probe({"model": RANK, "raw_scores": True, "return_text": True}),
        Probe({"truncate": True, "truncation_direction": "Left"}),
    ],
    "/tokenize": [
        Probe({"add_special_tokens": True, "return_token_strs": True}),
        Probe({"prompt": None, "messages": _TALK, "tools": [_TOOL], "add_generation_prompt": False}),
        Probe({"prompt": None, "messages": [{"role": "user", "content": [_IMAGE]}]}),
        Probe(
            {"prompt": None, "messages": _TALK[:1], "chat_template_kwargs": {"enable_thinking": True}},
            lacking="chat_template_kwargs",
        ),
        *each({"chat_template": "{{ messages }}", "continue_final_message": True, "mm_processor_kwargs": {"a": 1}}),
    ],
    "/detokenize": [Probe({})],
    f"/v2/models/{EMBED}/infer": _INFER,
    f"/v2/models/{CHAT}/generate": _GENERATE,
    f"/v2/models/{CHAT}/generate_stream": _GENERATE,
    "/v2/repository/index": [Probe({"ready": True})],
    f"/v2/repository/models/{CLASSIFY}/load": [
        Probe({"parameters": {"anything": 1}}),
        Probe({"parameters": {"config": "{}"}}),
        Probe({"parameters": {"file:1/model.py": "cHJpbnQoKQ=="}}),
    ],
    f"/v2/repository/models/{CLASSIFY}/unload": [
        Probe({"parameters": {"anything": 1}}),
        Probe({"parameters": {"unload_dependents": True}}),
    ],
}
"""Requests to each address which between them send every field."""


def template(address: str) -> str:
    """The path of the route that an address belongs to."""
    for name in (EMBED, CHAT, CLASSIFY):
        address = address.replace(f"/models/{name}/", "/models/{model}/")
    return address
