"""H9: schemathesis makes requests from `/openapi.json`, valid and not, for every route.

Random strings name no model, so most requests of the document as it is published end early. The other checks use a
copy in which names are those of served models and answers are short. In every copy deadlines are long enough to be
met, because 504 is the right answer to one millisecond.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.conformance.judges.checking import main

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
RULES = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
)
CHAT, EMBED, RANK, CLASSIFY = "abacus", "all-minilm-l6-v2", "minilm-reranker", "minilm-sentiment"
CONFIGURATION = """
# The same requests every time: nothing is learnt from answers.
[phases.fuzzing.extra-data-sources]
responses = false
[phases.coverage.extra-data-sources]
responses = false
[phases.examples.extra-data-sources]
responses = false
"""
LOADED = ("/v2/repository/models/{model}/load", "/v2/repository/models/{model}/unload")
"""Apart from the rest, because they take a model away from it."""
PAGES = ("/api/v1/jobs/{id}/report",)
"""Apart too: there is a page only once a job has measured something."""
JOBS = "/api/v1/jobs"

_TEXT = {"name": "text", "shape": [1, 1], "datatype": "BYTES", "data": ["a boat"]}
EXAMPLES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": CHAT, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8},
    "/v1/completions": {"model": CHAT, "prompt": "1 + 1", "max_tokens": 8},
    "/v1/embeddings": {"model": EMBED, "input": ["a boat", "a ship"], "input_type": "query", "truncate": "END"},
    "/v1/classify": {"model": CLASSIFY, "input": ["What a fine day."]},
    "/v1/ranking": {"model": RANK, "query": {"text": "a boat"}, "passages": [{"text": "a ship"}, {"text": "salt"}]},
    "/v1/rerank": {"model": RANK, "query": "a boat", "documents": ["a ship", "salt"], "top_n": 1},
    "/v2/rerank": {"model": RANK, "query": "a boat", "documents": ["a ship", "salt"], "top_n": 1},
    "/rerank": {"query": "a boat", "texts": ["a ship", "salt"], "return_text": True},
    "/tokenize": {"model": CHAT, "prompt": "1 + 1"},
    "/detokenize": {"model": CHAT, "tokens": [50, 51]},
    "/v2/models/{model}/infer": {"inputs": [_TEXT]},
    "/v2/models/{model}/generate": {"text_input": "1 + 1", "max_tokens": 8},
    "/v2/models/{model}/generate_stream": {"text_input": "1 + 1", "max_tokens": 8},
    "/v2/models/{model}/versions/{version}/infer": {"inputs": [_TEXT]},
    "/v2/models/{model}/versions/{version}/generate": {"text_input": "1 + 1", "max_tokens": 8},
    "/v2/models/{model}/versions/{version}/generate_stream": {"text_input": "1 + 1", "max_tokens": 8},
    "/v2/repository/index": {"ready": True},
    JOBS: {"kind": "convert", "model": "nobody/nothing"},
    LOADED[0]: {},
    LOADED[1]: {},
}
"""A body that each route takes."""


def published(root: str, key: str = "") -> dict[str, Any]:
    """The document, asked for with the key where there is one."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(f"{root}/openapi.json", headers=headers)  # noqa: S310 - our own address
    with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310
        found: dict[str, Any] = json.load(reply)
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and description of every operation."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def patient(parameter: dict[str, Any]) -> None:
    """Give the request's deadline a minute at least."""
    if parameter["name"] == "x-request-timeout-ms":
        parameter["schema"] = {"type": "integer", "minimum": 60_000, "maximum": 120_000}


def adapted(root: str, tag: str) -> dict[str, Any]:
    """The operations of one tag with names, limits and examples that reach what there is; some are apart."""
    document = published(root)
    job = ordered(root) if tag == "Management" else ""
    for path, method, operation in list(operations(document)):
        if tag not in operation["tags"] or path in (*LOADED, *PAGES):
            del document["paths"][path][method]
            continue
        reach(document, path, operation, job)
    document["paths"] = {path: methods for path, methods in document["paths"].items() if methods}
    assert document["paths"], f"no route has the tag {tag!r}"
    return document


def ordered(root: str, key: str = "") -> str:
    """The id of a job: of one that ends at once, because there is nothing to convert it with."""
    body = json.dumps(EXAMPLES[JOBS]).encode()
    headers = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
    request = urllib.request.Request(root + JOBS, data=body, headers=headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310
        return str(json.load(reply)["id"])


def without_waiting_jobs(root: str, key: str = "") -> None:
    """End the jobs that wait, so that they do not keep the processors from whoever comes next."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    waiting = urllib.request.Request(f"{root}{JOBS}?state=queued", headers=headers)  # noqa: S310
    with urllib.request.urlopen(waiting, timeout=60) as reply:  # noqa: S310
        addresses = [job["links"]["self"] for job in json.load(reply)["jobs"]]
    for address in addresses:
        request = urllib.request.Request(f"{root}{address}/cancel", data=b"", headers=headers)  # noqa: S310
        urllib.request.urlopen(request, timeout=60).close()  # noqa: S310


def reach(document: dict[str, Any], path: str, operation: dict[str, Any], job: str = "") -> None:
    """Give an operation names, limits and an example that reach a model, or the job."""
    for parameter in operation.get("parameters", ()):
        _narrow(parameter, path)
        if parameter["name"] == "id":
            parameter["schema"] = {"type": "string", "enum": [job]}
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        if media == "application/json":
            content["example"] = EXAMPLES[path]
            _name_models(document, content["schema"], EXAMPLES[path])


def _narrow(parameter: dict[str, Any], path: str) -> None:
    patient(parameter)
    if parameter["name"] == "model":
        served = [CHAT] if "generate" in path else [EMBED] if "infer" in path else [CHAT, EMBED, RANK, CLASSIFY]
        parameter["schema"] = {"type": "string", "enum": served}
    elif parameter["name"] == "version":
        parameter["schema"] = {"type": "string", "enum": ["1"]}


def _name_models(document: dict[str, Any], schema: dict[str, Any], example: dict[str, Any]) -> None:
    body = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    properties = body.get("properties", {})
    if "model" in properties and "model" in example:
        properties["model"] = {"type": "string", "enum": [example["model"]]}
    for limit in {"max_tokens", "max_completion_tokens"} & properties.keys():
        properties[limit] = {"type": "integer", "minimum": 1, "maximum": 16}


def tried(
    root: str, document: dict[str, Any], examples: int, *, phases: str = "examples,coverage,fuzzing", key: str = ""
) -> dict[str, Any]:
    """schemathesis' report on a document, in which it found nothing wrong; the requests are the same every time.

    Args:
        root: the server.
        document: what is tried.
        examples: random requests for each operation.
        phases: the ways in which requests are made.
        key: sent with every request; empty sends none.
    """
    with tempfile.TemporaryDirectory(prefix="argosy-schemathesis-") as folder:
        place = Path(folder)
        (place / "openapi.json").write_text(json.dumps(document))
        (place / "schemathesis.toml").write_text(CONFIGURATION)
        command = [str(SCHEMATHESIS), "run", "openapi.json", "--url", root, "--checks", ",".join(RULES)]
        command += ["--phases", phases, "--mode", "all", "--max-examples", str(examples)]
        command += ["--header", f"Authorization: Bearer {key}"] if key else []
        command += ["--generation-deterministic", "--workers", "1", "--request-timeout", "60", "--no-color"]
        command += ["--continue-on-failure", "--report", "json", "--report-json-path", "report.json"]
        run = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=110, check=False)
        written = place / "report.json"
        assert written.exists(), (run.stdout + run.stderr)[-1500:]
        report: dict[str, Any] = json.loads(written.read_text())
    said = run.stdout[run.stdout.find("= FAILURES =") :] if report["failures"] else run.stdout[-1500:]
    found = [f"{failure['title']}: {failure['operations']}" for failure in report["failures"]]
    assert not found, "\n".join([*found, said[:6000]])
    assert run.returncode == 0, said
    assert report["complete"]
    assert report["operations"]["tested"] == report["operations"]["total"] == len(list(operations(document)))
    assert not report["errors"], report["errors"]
    return report


def reached(report: dict[str, Any]) -> None:
    """Demand that every operation took some request, so that what lies behind it was tried."""
    for operation, phases in report["valid_rates"].items():
        assert sum(phase["accepted"] for phase in phases.values()), f"{operation} took no request"


def check_document_as_published(root: str) -> None:
    """Every route but loading and unloading, with whatever the document allows and forbids."""
    document = published(root)
    document["paths"] = {path: methods for path, methods in document["paths"].items() if path not in LOADED}
    for _, _, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            patient(parameter)
    tried(root, document, 5)


def check_openai_routes(root: str) -> None:
    """The OpenAI dialect with served models."""
    reached(tried(root, adapted(root, "OpenAI"), 12))


def check_nim_routes(root: str) -> None:
    """The NIM dialect with served models."""
    reached(tried(root, adapted(root, "NIM"), 12))


def check_rerank_routes(root: str) -> None:
    """The rerank dialects with served models."""
    reached(tried(root, adapted(root, "Rerank"), 12))


def check_kserve_routes(root: str) -> None:
    """KServe v2 with served models, without loading and unloading them."""
    reached(tried(root, adapted(root, "KServe v2"), 8))


def check_management_routes(root: str) -> None:
    """The management routes with served models, and a job."""
    try:
        reached(tried(root, adapted(root, "Management"), 12))
    finally:
        without_waiting_jobs(root)


def check_loading_and_unloading(root: str) -> None:
    """A served model is loaded and unloaded, in any order; afterwards it is back."""
    document = published(root)
    document["paths"] = {path: document["paths"][path] for path in LOADED}
    for path, _, operation in operations(document):
        for parameter in operation["parameters"]:
            patient(parameter)
            if parameter["name"] == "model":
                parameter["schema"] = {"type": "string", "enum": [CLASSIFY]}
        operation["requestBody"]["content"]["application/json"]["example"] = EXAMPLES[path]
    try:
        tried(root, document, 4)
    finally:
        _load(root)


def _load(root: str) -> None:
    address = f"{root}/v2/repository/models/{CLASSIFY}/load"
    request = urllib.request.Request(address, data=b"{}", method="POST")  # noqa: S310
    with urllib.request.urlopen(request, timeout=60):  # noqa: S310
        pass
    deadline = time.monotonic() + 30
    while not _ready(root):
        assert time.monotonic() < deadline, "the model did not come back"
        time.sleep(0.1)


def _ready(root: str) -> bool:
    try:
        with urllib.request.urlopen(f"{root}/v2/models/{CLASSIFY}/ready", timeout=60) as reply:  # noqa: S310
            return reply.status == 200
    except urllib.error.HTTPError:
        return False


def check_no_route_left_out(root: str) -> None:
    """Every route has one of the dialects above, and every body an example."""
    document = published(root)
    tags = {tag for _, _, operation in operations(document) for tag in operation["tags"]}
    assert tags == {"OpenAI", "NIM", "Rerank", "KServe v2", "Management"}, tags
    bodies = {path for path, _, operation in operations(document) if "requestBody" in operation}
    assert bodies == EXAMPLES.keys() & bodies, bodies - EXAMPLES.keys()


if __name__ == "__main__":
    main(sys.modules[__name__])
