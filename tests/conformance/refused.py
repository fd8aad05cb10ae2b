"""What clients of the dialects know and do not get here: whole routes, and things inside of fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ABSENT: Mapping[str, str] = {
    "/v2/systemsharedmemory/status": "a client must not open the server's memory",
    "/v2/cudasharedmemory/status": "a client must not open the server's memory",
    "/v2/trace/setting": "traces are the operator's",
    "/v2/logging": "logs are the operator's",
    "/v1/images/generations": "no model here makes images",
    "/v1/audio/transcriptions": "no model here hears",
    "/v1/responses": "not there yet",
    "/v1/infer": "no model here looks at images",
}
"""Routes that clients of the dialects know and that are 404 here, with the reason."""

_IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
_SHARED = {"shared_memory_region": "region", "shared_memory_byte_size": 4}
_INPUT = {"name": "text", "shape": [1, 1], "datatype": "BYTES"}


@dataclass(frozen=True)
class Inner:
    """Something inside of a field that is refused.

    Attributes:
        body: a request that asks for it.
        named: what the refusal names.
    """

    path: str
    field: str
    reason: str
    body: Mapping[str, Any]
    named: str


INNER = (
    Inner(
        "/v1/chat/completions",
        "messages[].content[].image_url",
        "the bundled model reads text; so for audio and video",
        {"model": "abacus", "messages": [{"role": "user", "content": [_IMAGE]}]},
        "messages[0].content[0]",
    ),
    Inner(
        "/v1/ranking",
        "passages[].image",
        "the bundled model ranks text",
        {"model": "minilm-reranker", "query": {"text": "a"}, "passages": [{"image": "data:image/png;base64,iVBO"}]},
        "passages[0].image",
    ),
    Inner(
        "/v2/models/all-minilm-l6-v2/infer",
        "inputs[].parameters.shared_memory_region",
        "a client must not open the server's memory",
        {"inputs": [{**_INPUT, "parameters": _SHARED}]},
        "shared memory",
    ),
    Inner(
        "/v2/models/all-minilm-l6-v2/infer",
        "outputs[].parameters.shared_memory_region",
        "a client must not open the server's memory",
        {"inputs": [{**_INPUT, "data": ["a"]}], "outputs": [{"name": "embedding", "parameters": _SHARED}]},
        "shared memory",
    ),
    Inner(
        "/v2/repository/models/minilm-sentiment/load",
        "parameters.config",
        "a model's configuration is never a client's",
        {"parameters": {"config": "{}"}},
        "config",
    ),
    Inner(
        "/v2/repository/models/minilm-sentiment/load",
        "parameters.file:1/model.py",
        "a model's files, which may be code, are never a client's",
        {"parameters": {"file:1/model.py": "cHJpbnQoKQ=="}},
        "file:1/model.py",
    ),
)
