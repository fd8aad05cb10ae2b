"""What the official `openai` client makes of trouble: its error classes against the bundled models, and its retries."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from argosy.server.admission.lane import Limits
from tests.e2e.running import Running
from tests.suites.gateway import gateway, listening

HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def client(judged: Running) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{judged.url}/v1", api_key="any", max_retries=0, timeout=60) as ready:
        yield ready


@pytest.mark.triton
@pytest.mark.parametrize(
    ("fields", "kind", "param"),
    [
        ({"model": "nothing"}, openai.NotFoundError, "model"),
        ({"model": "minilm-reranker"}, openai.BadRequestError, "model"),
        ({"messages": "Hello"}, openai.BadRequestError, "messages"),
        ({"max_tokens": 0}, openai.BadRequestError, "max_tokens"),
        ({"max_completion_tokens": 2**31 - 1}, openai.BadRequestError, "max_completion_tokens"),
        ({"temperature": -0.1}, openai.BadRequestError, "temperature"),
        ({"n": 9}, openai.BadRequestError, "n"),
        ({"logit_bias": {"50": 1}}, openai.BadRequestError, "logit_bias"),
        ({"extra_body": {"chat_template": "{{ 1 }}"}}, openai.BadRequestError, "chat_template"),
        ({"messages": [{"role": "user", "content": "harbour " * 500}]}, openai.BadRequestError, "messages"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_of_the_real_server(
    client: openai.OpenAI, fields: dict[str, Any], kind: type[openai.APIStatusError], param: str, stream: bool
) -> None:
    """The class says what to do, the rest which field, whether the answer was to be a stream or not."""
    with pytest.raises(kind) as caught:
        client.chat.completions.create(**{"model": "abacus", "messages": HELLO, "stream": stream, **fields})
    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"
    assert caught.value.request_id


@pytest.mark.triton
def test_a_deadline_that_passes_is_a_server_error(client: openai.OpenAI) -> None:
    """504, which the client would ask for again."""
    headers = {"x-request-timeout-ms": "1"}
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="abacus", messages=HELLO, extra_headers=headers)
    assert (caught.value.status_code, caught.value.code) == (504, "deadline_exceeded")


@pytest.mark.triton
def test_a_client_that_does_not_wait_gets_its_own_error(client: openai.OpenAI) -> None:
    """And the next request is answered."""
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.005).completions.create(
            model="abacus", prompt="1", max_tokens=900, extra_body={"ignore_eos": True}
        )
    assert client.chat.completions.create(model="abacus", messages=HELLO, max_tokens=4).choices


async def test_a_full_server_is_asked_again_until_it_has_room(tmp_path: Path) -> None:
    """The client counts its retries; the refused request is answered in the end."""
    async with gateway(tmp_path, limits=Limits(slots=1, queue=0), templates_loaded=False) as server:
        server.client.hold = asyncio.Event()
        async with listening(server) as url, talking(url, server.client.hold) as client:
            first = asyncio.create_task(client.embeddings.create(model="embedder", input="a"))
            async with asyncio.timeout(20):
                while not server.client.running:
                    await asyncio.sleep(0.01)
                second = await client.embeddings.with_raw_response.create(model="embedder", input="b")
            assert second.retries_taken >= 1
            assert second.parse().data
            assert (await first).data


@contextlib.asynccontextmanager
async def talking(url: str, refused: asyncio.Event) -> AsyncIterator[openai.AsyncOpenAI]:
    """A client that fires an event as soon as it was refused."""

    async def notice(response: Any) -> None:
        if response.status_code == 503:
            refused.set()

    http = openai.DefaultAsyncHttpxClient(event_hooks={"response": [notice]})
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="any", max_retries=4, http_client=http) as client:
        yield client
