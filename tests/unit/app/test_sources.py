from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from argosy.app.conversion import artifacts
from argosy.app.sources import source_models
from argosy.conversion.sources.admission import admit
from argosy.core.errors import InvalidModelEntry, NotCached, SourceUnavailable
from argosy.server.artifacts.reference import HubReference
from argosy.server.artifacts.source import Source
from argosy.server.probe.software import Engine
from argosy.settings import load
from tests.suites.checkpoints import encoder
from tests.suites.hosts import BARE
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


def test_the_settings_choose_how_a_checkpoint_runs(tmp_path: Path) -> None:
    """By the machine, the operator's profile and the engines of this build."""
    folder = Source(encoder(tmp_path / "bert"))
    host = replace(BARE, engines=(Engine("torch", "2.13.0", ("cpu",)),))

    def chosen(**variables: str) -> str:
        choose = source_models(load({}, variables, tmp_path), host=host).choose
        assert choose is not None
        found = choose(folder, "bert")
        assert found is not None
        return found.name

    assert chosen() == "torch-cpu-bf16"
    assert chosen(NIM_MODEL_PROFILE="torch-cpu-f32") == "torch-cpu-f32"
    assert chosen(NIM_TAGS_SELECTOR="precision=f32") == "torch-cpu-f32"
    assert chosen(NIM_TENSOR_PARALLEL_SIZE="2", NIM_MAX_MODEL_LEN="64") == "torch-cpu-bf16"


def test_a_machine_without_an_engine_for_it_is_told_what_is_missing(tmp_path: Path) -> None:
    """With the path that was named in every command."""
    folder = encoder(tmp_path / "bert")
    choose = source_models(load({}, {}, tmp_path), host=BARE).choose
    assert choose is not None
    with pytest.raises(InvalidModelEntry) as caught:
        choose(Source(folder), "bert")
    assert f"argosy convert {folder} --name bert" in caught.value.message
    assert "torch-cpu-bf16: needs torch, has none: pip install 'argosy[torch]'" in caught.value.message
