"""Bad input against the whole service: the right 4xx, and Triton never notices (reliability cases H1-H5, H8)."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import psutil
import pytest

from tests.e2e.running import Running
from tests.e2e.wire import Reply, post, send

POSTS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/ranking", "/v1/classify")
BODIES = {
    "/v1/chat/completions": {"model": "abacus", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 4},
    "/v1/completions": {"model": "abacus", "prompt": "hi", "max_tokens": 4},
    "/v1/embeddings": {"model": "all-minilm-l6-v2", "input": "hi"},
    "/v1/ranking": {"model": "minilm-reranker", "query": {"text": "hi"}, "passages": [{"text": "ho"}]},
    "/v1/classify": {"model": "minilm-sentiment", "input": "hi"},
}


@pytest.fixture(autouse=True)
def unharmed(bundled: Running) -> Iterator[None]:
    """After every test Triton, its stubs and the gateway workers are the same processes, and requests are answered."""
    before = {process.pid for process in bundled.family()}
    yield
    assert {process.pid for process in bundled.family()} == before
    reply = bundled.post("/v1/embeddings", BODIES["/v1/embeddings"])
    assert reply.status_code == 200


def check_refused(reply: Reply, *statuses: int) -> dict[str, str]:
    """The reply has one of the statuses, the double error shape, and a request id."""
    assert reply.status in statuses, reply.body[:300]
    document = json.loads(reply.body)
    assert document["object"] == "error"
    assert document["message"] == document["error"]["message"]
    assert reply.headers["x-request-id"]
    error: dict[str, str] = document["error"]
    return error


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("nest", [b"[", b'{"a":', b'{"model":"x","input":' + b"["], ids=["lists", "objects", "inside"])
def test_h1_half_a_megabyte_of_brackets_is_bad_json(bundled: Running, path: str, nest: bytes) -> None:
    """H1: deep nesting is refused as malformed JSON on every POST route."""
    body = nest * (500_000 // len(nest))
    assert check_refused(send(bundled.port, post(path, body)), 400)["code"] == "invalid_json"


@pytest.mark.parametrize("path", POSTS)
def test_h1_closed_brackets_are_refused_too(bundled: Running, path: str) -> None:
    """H1: the same depth in well-formed JSON is refused."""
    body = b"[" * 250_000 + b"]" * 250_000
    assert check_refused(send(bundled.port, post(path, body)), 400)["code"] == "invalid_json"


def test_h2_seven_hundred_thousand_chunks_cost_no_memory(bundled: Running) -> None:
    """H2: a body in one-byte chunks is refused, and the gateway's memory does not grow with their number."""
    head = b"POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    chunks = b"1\r\n[\r\n" * 700_000 + b"0\r\n\r\n"
    send(bundled.port, head, chunks)
    before = memory(bundled)
    for _ in range(3):
        check_refused(send(bundled.port, head, chunks), 400, 413)
    assert memory(bundled) - before < 32 << 20


def test_h2_a_body_over_the_limit_is_refused(bundled: Running) -> None:
    """H2: 413 for a declared length over the limit without reading it, and for chunks that add up to more."""
    declared = b"POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ncontent-length: 999999999\r\n\r\n"
    assert check_refused(send(bundled.port, declared), 413)
    head = b"POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    megabyte = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
    assert check_refused(send(bundled.port, head, *[megabyte] * 20), 413)


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "deflate", "gzip, gzip"])
def test_h3_compressed_bodies_are_refused(bundled: Running, encoding: str) -> None:
    """H3: nothing is inflated."""
    body = gzip.compress(b" " * (8 << 20))
    assert check_refused(send(bundled.port, post("/v1/embeddings", body, f"content-encoding: {encoding}")), 415)


@pytest.mark.parametrize(
    ("path", "change", "param"),
    [
        ("/v1/chat/completions", '"temperature": NaN', None),
        ("/v1/chat/completions", '"temperature": Infinity', None),
        ("/v1/chat/completions", '"temperature": 1e999', None),
        ("/v1/chat/completions", '"temperature": "hot"', "temperature"),
        ("/v1/chat/completions", '"temperature": -1', "temperature"),
        ("/v1/chat/completions", '"top_p": 0', "top_p"),
        ("/v1/chat/completions", '"n": 1000000', "n"),
        ("/v1/chat/completions", '"n": 0', "n"),
        ("/v1/chat/completions", '"max_tokens": -5', "max_tokens"),
        ("/v1/chat/completions", '"max_tokens": 1.5', "max_tokens"),
        ("/v1/chat/completions", '"max_tokens": 123456789012345678901234567890', "max_tokens"),
        ("/v1/chat/completions", '"stop": ' + json.dumps(["x"] * 17), "stop"),
        ("/v1/chat/completions", '"stop": ' + json.dumps(["x" * 300]), "stop"),
        ("/v1/chat/completions", '"messages": []', "messages"),
        ("/v1/chat/completions", '"messages": "hi"', "messages"),
        ("/v1/chat/completions", '"messages": [{"role": "user"}]', "messages"),
        ("/v1/chat/completions", '"messages": [{"role": 5, "content": "x"}]', "messages"),
        ("/v1/chat/completions", '"model": 5', "model"),
        ("/v1/completions", '"prompt": {}', "prompt"),
        ("/v1/completions", '"prompt": ""', "prompt"),
        ("/v1/completions", '"prompt": [-1]', "prompt"),
        ("/v1/embeddings", '"input": []', "input"),
        ("/v1/embeddings", '"input": [1, "a"]', "input"),
        ("/v1/embeddings", '"input": [[-1]]', "input"),
        ("/v1/embeddings", '"input": [[99999999999]]', "input"),
        ("/v1/embeddings", '"encoding_format": "hex"', "encoding_format"),
        ("/v1/embeddings", '"dimensions": 0', "dimensions"),
        ("/v1/embeddings", '"dimensions": 9999', "dimensions"),
        ("/v1/embeddings", '"truncate": "MIDDLE"', "truncate"),
        ("/v1/ranking", '"query": "text"', "query"),
        ("/v1/ranking", '"passages": []', "passages"),
        ("/v1/ranking", '"passages": ' + json.dumps([{"text": "x"}] * 513), "passages"),
        ("/v1/classify", '"input": null', "input"),
    ],
)
def test_h4_wrong_values_are_refused_by_name(bundled: Running, path: str, change: str, param: str | None) -> None:
    """H4: a wrong type, an impossible number or an over-long list is a 400 that names the field."""
    key = json.loads("{" + change.replace("NaN", "0").replace("Infinity", "0") + "}")
    rest = {name: value for name, value in BODIES[path].items() if name not in key}
    body = json.dumps(rest)[:-1] + ("," if rest else "") + change + "}"
    error = check_refused(send(bundled.port, post(path, body.encode())), 400)
    if param is not None:
        assert str(error["param"]).startswith(param)


@pytest.mark.parametrize("path", POSTS)
def test_h5_duplicate_keys_are_refused(bundled: Running, path: str) -> None:
    """H5: a body that says something twice is refused."""
    body = json.dumps(BODIES[path])[:-1] + ', "model": "other"}'
    assert check_refused(send(bundled.port, post(path, body.encode())), 400)["code"] == "invalid_json"


def test_h5_unknown_fields_warn_and_do_not_fail(bundled: Running) -> None:
    """H5: a field nobody knows is named in a header, and the request is answered."""
    reply = bundled.post("/v1/embeddings", {**BODIES["/v1/embeddings"], "colour": "red"})
    assert reply.status_code == 200
    assert "colour" in reply.headers["x-argosy-warning"]


def test_h8_a_megabyte_of_header_is_refused(bundled: Running) -> None:
    """H8: 4xx, and the connection is not left hanging."""
    request = post("/v1/embeddings", b"{}", "x-large: " + "a" * (1 << 20))
    assert send(bundled.port, request).status in {400, 431}


def test_h8_a_thousand_headers_are_refused(bundled: Running) -> None:
    """H8: the number of headers is bounded."""
    request = post("/v1/embeddings", b"{}", *[f"x-{number}: y" for number in range(1000)])
    assert send(bundled.port, request).status in {400, 431}


@pytest.mark.parametrize("bad", ["a b", "a\tb", "x" * 65, "é", "a;b", "<script>"])
def test_h8_a_request_id_that_could_spoil_a_log_is_replaced(bundled: Running, bad: str) -> None:
    """H8: only plain ids are echoed, and a log line stays one line."""
    body = json.dumps(BODIES["/v1/embeddings"]).encode()
    reply = send(bundled.port, post("/v1/embeddings", body, f"x-request-id: {bad}"))
    assert reply.status == 200
    assert reply.headers["x-request-id"] != bad


def test_h8_a_plain_request_id_is_echoed(bundled: Running) -> None:
    """A client's own id comes back."""
    reply = bundled.post("/v1/embeddings", BODIES["/v1/embeddings"], headers={"x-request-id": "my-id_1"})
    assert reply.headers["x-request-id"] == "my-id_1"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"nul", b'"text"', b"[1]", b'{"a":1}x', b"\xff\xfe", b'{"model": "\\ud800"}']
)
def test_bodies_that_are_no_json_object_are_refused(bundled: Running, body: bytes) -> None:
    """Truncated, foreign or badly encoded bodies are a 400."""
    check_refused(send(bundled.port, post("/v1/embeddings", body)), 400)


@pytest.mark.parametrize("path", POSTS)
def test_an_unknown_model_is_404_and_the_message_lists_what_there_is(bundled: Running, path: str) -> None:
    """The OpenAI client turns this into NotFoundError."""
    body = json.dumps({**BODIES[path], "model": "gpt-9"}).encode()
    error = check_refused(send(bundled.port, post(path, body)), 404)
    assert error["code"] == "model_not_found"
    assert "abacus" in error["message"]


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/classify", "/v1/chat/completions", "/v1/completions"])
def test_input_over_the_models_length_is_refused(bundled: Running, path: str) -> None:
    """The words are those that NIM's clients look for."""
    long = "word " * 4000
    key = {"/v1/chat/completions": "messages", "/v1/completions": "prompt"}.get(path, "input")
    value = [{"role": "user", "content": long}] if key == "messages" else long
    body = json.dumps({**BODIES[path], key: value}).encode()
    error = check_refused(send(bundled.port, post(path, body)), 400)
    assert "exceeds maximum allowed" in error["message"]


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/classify", "/v1/chat/completions", "/v1/completions"])
def test_ten_megabytes_of_text_never_reach_a_tokenizer(bundled: Running, path: str) -> None:
    """A text that cannot fit is refused by its size, so that no engine is busy with it."""
    key = {"/v1/chat/completions": "messages", "/v1/completions": "prompt"}.get(path, "input")
    long = "word " * 2_000_000
    value = [{"role": "user", "content": long}] if key == "messages" else long
    body = json.dumps({**BODIES[path], key: value}).encode()
    error = check_refused(send(bundled.port, post(path, body)), 400)
    assert "exceeds maximum allowed" in error["message"]


def test_truncate_end_takes_what_none_refuses(bundled: Running) -> None:
    """The same over-long text is embedded when the client allows it to be cut."""
    body = {**BODIES["/v1/embeddings"], "input": "word " * 4000, "truncate": "END"}
    assert bundled.post("/v1/embeddings", body).status_code == 200


def memory(running: Running) -> int:
    """Resident bytes of all gateway workers."""
    return (
        sum(
            process.memory_info().rss
            for process in running.family()
            if "argosy.app.gateway" in " ".join(process.cmdline())
        )
        or psutil.Process(running.process.pid).memory_info().rss
    )
