from __future__ import annotations

from pathlib import Path

import pytest

from argosy.app.supervisor import plan, worker_configuration
from argosy.core.errors import InvalidSetting
from argosy.settings import load
from tests.suites.echo_models import echo_chat


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    echo_chat(tmp_path / "store")
    return {"ARGOSY_MODEL_STORE": str(tmp_path / "store"), "ARGOSY_CACHE": str(tmp_path / "cache")}


def test_http_and_grpc_need_two_ports(environment: dict[str, str], tmp_path: Path) -> None:
    """One port for both is refused by the names of the flags."""
    with pytest.raises(InvalidSetting, match="--grpc-port"):
        plan(load({"port": 9000, "grpc_port": 9000}, environment, tmp_path))


def test_workers_are_told_where_grpc_listens(environment: dict[str, str], tmp_path: Path) -> None:
    """The port reaches the workers and the report; without one there is no address."""
    chosen = plan(load({"grpc_port": 9001}, environment, tmp_path))
    assert chosen.grpc_address == "127.0.0.1:9001"
    assert worker_configuration(chosen, tmp_path).grpc_port == 9001
    assert plan(load({"grpc_port": 0}, environment, tmp_path)).grpc_address == ""
