from __future__ import annotations

import pytest

from argosy.core.network import is_loopback


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],
)
def test_loopback_is_told_apart(host: str, expected: bool) -> None:
    """Only addresses that stay on the machine count as loopback."""
    assert is_loopback(host) is expected
