from __future__ import annotations

import json
from pathlib import Path

import pytest

from argosy.app.conversion import artifacts
from argosy.app.sources import source_models
from argosy.conversion.sources.admission import admit
from argosy.core.errors import NotCached, SourceUnavailable
from argosy.server.artifacts.reference import HubReference
from argosy.settings import load
from tests.suites.hub_server import TOKEN, Repository, serve_hub

RAW = HubReference("acme/raw")
CONFIG = {"architectures": ["BertModel"], "model_type": "bert", "hidden_size": 8}
FILES = {"config.json": json.dumps(CONFIG).encode(), "tokenizer.json": b"{}", "model.safetensors": b"weights"}


def test_the_settings_reach_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Address and token are those of the settings; without the token a gated repository is refused."""
    with serve_hub() as hub:
        hub.repositories["acme/raw"] = Repository(dict(FILES), gated=True)
        flags = {"cache": tmp_path / "cache", "hub_endpoint": hub.endpoint}
        with pytest.raises(SourceUnavailable, match="HF_TOKEN"):
            source_models(load(flags)).fetch(RAW)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        source_models(load(flags)).fetch(RAW)
        assert not [asked for asked in hub.asked if "/storage/" in asked.path and asked.authorization]


def test_offline_by_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_HUB_OFFLINE is heeded as the flag is."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with serve_hub() as hub:
        with pytest.raises(NotCached):
            source_models(load({"cache": tmp_path / "cache", "hub_endpoint": hub.endpoint})).fetch(RAW)
        assert hub.asked == []


def test_what_was_pulled_is_admitted_by_the_converter(tmp_path: Path) -> None:
    """The folder of links in the cache is a model folder like any other to `argosy convert`."""
    with serve_hub() as hub:
        hub.repositories["acme/raw"] = Repository(dict(FILES))
        sources = source_models(load({"cache": tmp_path / "cache", "hub_endpoint": hub.endpoint}))
        admitted = admit(sources.folder(RAW), "", artifacts())
    assert set(admitted.files) == set(FILES)
    assert admitted.files["model.safetensors"].read_bytes() == b"weights"
