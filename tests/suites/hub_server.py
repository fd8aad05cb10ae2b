"""A Hugging Face hub on this machine: the HTTP that `huggingface_hub` speaks, with faults to order.

Model info with siblings, sizes, git ids and LFS hashes; `resolve` with `x-repo-commit`, `etag` and, for LFS files, a
redirect with `x-linked-etag` and `x-linked-size` to storage of another origin; ranges; gated, missing and busy answers.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

LFS_SUFFIXES = (".bin", ".gguf", ".onnx", ".safetensors", ".onnx_data", ".pb")
TOKEN = "hf_a-token-for-the-test-hub"


@dataclass
class Repository:
    """One repository; `files` may be changed, which makes another commit."""

    files: dict[str, bytes]
    license: str = "apache-2.0"
    gated: bool = False

    @property
    def commit(self) -> str:
        content = b"".join(path.encode() + hashlib.sha256(data).digest() for path, data in sorted(self.files.items()))
        return hashlib.sha1(content, usedforsecurity=False).hexdigest()

    def sibling(self, path: str) -> dict[str, object]:
        data = self.files[path]
        entry: dict[str, object] = {"rfilename": path, "size": len(data), "blobId": git_id(data)}
        if path.endswith(LFS_SUFFIXES):
            entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
        return entry


@dataclass
class Fault:
    """What happens instead, to requests whose path holds `part`.

    Attributes:
        times: how often; -1 always.
        status: answer with it; 0 means the usual one.
        cut: end the connection after this many bytes of the body.
        body: send this instead, with its own length.
        ranges: whether range requests are heeded.
    """

    part: str
    times: int = 1
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    body: bytes | None = None
    ranges: bool = True
    method: str = "GET"


@dataclass(frozen=True)
class Asked:
    """One request that arrived."""

    method: str
    path: str
    range: str
    authorization: str


@dataclass
class HubServer:
    """What the server has, and what it was asked."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    endpoint: str = ""
    storage: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def bodies(self) -> list[str]:
        """Paths whose bodies were asked for."""
        return [request.path for request in self.asked if request.method == "GET" and "/api/" not in request.path]

    def fault(self, method: str, path: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.part in path and fault.times and fault.method == method:
                    fault.times -= 1
                    return fault
        return None


def git_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@contextmanager
def serve_hub() -> Iterator[HubServer]:
    """A hub and, on another port, its storage."""
    state = HubServer()
    handler = type("Handler", (_Handler,), {"state": state})
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for _ in range(2)]
    state.endpoint, state.storage = (f"http://127.0.0.1:{server.server_address[1]}" for server in servers)
    threads = [threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield state
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
        for thread in threads:
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: HubServer

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        headers = self.headers
        with self.state.lock:
            self.state.asked.append(
                Asked(self.command, path, headers.get("range", ""), headers.get("authorization", ""))
            )
        fault = self.state.fault(self.command, path)
        if fault is not None and fault.status:
            self._send(fault.status, b"", fault.headers)
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            self._info(match[1], match[2] or "main")
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._resolve(match[1], match[2], match[3], fault)
        elif path.startswith("/storage/"):
            repository, _, file = path[9:].partition("//")
            self._file(self.state.repositories[repository].files[file], fault, {})
        elif path in self.state.files:
            self._file(self.state.files[path], fault, {})
        else:
            self._send(404, b"", {})

    def _info(self, name: str, revision: str) -> None:
        repository = self._repository(name, revision)
        if repository is None:
            return
        blobs = parse_qs(urlsplit(self.path).query).get("blobs") == ["True"] or "blobs=" in self.path
        siblings = [repository.sibling(path) if blobs else {"rfilename": path} for path in repository.files]
        info = {
            "id": name,
            "sha": repository.commit,
            "private": False,
            "gated": "manual" if repository.gated else False,
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "cardData": {"license": repository.license},
            "siblings": siblings,
        }
        self._send(200, json.dumps(info).encode(), {"content-type": "application/json"})

    def _resolve(self, name: str, revision: str, path: str, fault: Fault | None) -> None:
        repository = self._repository(name, revision)
        if repository is None:
            return
        commit = {"x-repo-commit": repository.commit}
        if path not in repository.files:
            self._send(404, b"", {**commit, "x-error-code": "EntryNotFound"})
            return
        data = repository.files[path]
        if path.endswith(LFS_SUFFIXES):
            linked = {"x-linked-etag": f'"{hashlib.sha256(data).hexdigest()}"', "x-linked-size": str(len(data))}
            location = f"{self.state.storage}/storage/{name}//{path}"
            self._send(302, b"", {**commit, **linked, "location": location, "etag": '"pointer"'})
            return
        self._file(data, fault, {**commit, "etag": f'"{git_id(data)}"'})

    def _repository(self, name: str, revision: str) -> Repository | None:
        repository = self.state.repositories.get(name)
        authorized = self.headers.get("authorization") == f"Bearer {TOKEN}"
        if repository is None:
            # The real hub answers this to strangers, so that nobody learns which private models there are.
            self._send(401, b"", {"x-error-code": "RepoNotFound"})
        elif repository.gated and not authorized:
            self._send(401, b"", {"x-error-code": "GatedRepo", "x-error-message": "Access is restricted."})
        elif revision not in {"main", repository.commit}:
            self._send(404, b"", {"x-error-code": "RevisionNotFound"})
        else:
            return repository
        return None

    def _file(self, data: bytes, fault: Fault | None, headers: dict[str, str]) -> None:
        data = fault.body if fault is not None and fault.body is not None else data
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("range", ""))
        start = int(match[1]) if match and (fault is None or fault.ranges) else 0
        if start and start >= len(data):
            self._send(416, b"", {"content-range": f"bytes */{len(data)}"})
            return
        status = 206 if start else 200
        extent = {"content-range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
        self._send(status, data[start:], {"accept-ranges": "bytes", **headers, **extent}, fault.cut if fault else None)

    def _send(self, status: int, body: bytes, headers: dict[str, str], cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()
