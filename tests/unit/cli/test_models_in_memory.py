"""`argosy models --url`."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from argosy.cli.models import command
from argosy.core.errors import InvalidSetting, Unavailable
from argosy.core.residency import Residence, ResidenceState, Tally
from argosy.telemetry.metrics import Metrics

KEY = "ann-0123456789abcdef"


class Answer(http.server.BaseHTTPRequestHandler):
    """A server's metrics page, for those with the key."""

    def do_GET(self) -> None:
        known = self.path == "/metrics" and self.headers["authorization"] == f"Bearer {KEY}"
        body = _metrics().render() if known else b"no"
        self.send_response(200 if known else 401)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


def _metrics() -> Metrics:
    metrics = Metrics()
    tally = Tally(loaded=3, failed=1, evicted={"idle": 1, "room": 2})
    metrics.residences_changed(
        [
            Residence("parrot", ResidenceState.UNLOADED, size=9, tally=tally),
            Residence("whale", ResidenceState.DRAINING, size=3 << 30),
        ],
        4 << 30,
    )
    return metrics


@pytest.fixture
def url() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_running_server_says_what_it_has_in_memory(url: str) -> None:
    """Each model's state, memory and history, and the budget."""
    document = json.loads(CliRunner().invoke(command, ["--url", url, "--key", KEY, "--json"]).output)
    assert document["budget_bytes"] == 4 << 30
    parrot, whale = document["models"]
    assert parrot == {
        "name": "parrot", "state": "unloaded", "memory_bytes": 0, "loads": 3, "failed_loads": 1, "evictions": 3
    }  # fmt: skip
    assert (whale["state"], whale["memory_bytes"]) == ("draining", 3 << 30)


def test_the_table_has_amounts_in_words(url: str) -> None:
    """The sum and the budget stand below it."""
    output = CliRunner().invoke(command, ["--url", url, "--key", KEY]).output
    assert "3.0 GiB in memory; budget: 4.0 GiB." in output
    assert "unloaded" in output


def test_a_server_that_cannot_be_asked_is_an_error_with_a_remedy(url: str) -> None:
    """A missing key, nobody there, and what is no address."""
    for arguments, kind, words in (
        (["--url", url], Unavailable, "--key"),
        (["--url", "http://127.0.0.1:1"], Unavailable, "argosy serve"),
        (["--url", "localhost"], InvalidSetting, "http://"),
    ):
        result = CliRunner().invoke(command, arguments)
        assert isinstance(result.exception, kind)
        assert words in result.exception.message
