"""Routes that clients of the dialects know and that are 404 here, with the reason."""

from __future__ import annotations

from collections.abc import Mapping

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
