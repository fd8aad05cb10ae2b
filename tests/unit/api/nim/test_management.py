from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import httpx
import yaml

from tests.suites.echo_models import echo_chat
from tests.suites.gateway import Server, gateway
from tests.unit.api.conftest import calling


async def test_metadata_has_what_deployment_tools_read(client: httpx.AsyncClient) -> None:
    """Version, models as name:version, and the licence."""
    body = (await client.get("/v1/metadata")).json()
    assert body["version"] == "1.2.3"
    assert [info["shortName"].split(":")[0] for info in body["modelInfo"]] == [
        "parrot",
        "embedder",
        "ranker",
        "sentiment",
    ]
    assert body["assetInfo"] == []
    assert body["repository_override"] == ""
    assert set(body["licenseInfo"]) == {"name", "path", "sha", "size", "url", "type", "content"}


async def test_the_selected_profile_is_in_the_manifest(client: httpx.AsyncClient) -> None:
    """By the same id, which is 64 hexadecimal digits."""
    selected = (await client.get("/v1/metadata")).json()["selectedModelProfileId"]
    profiles = (await client.get("/v1/manifest")).json()["profiles"]
    assert len(bytes.fromhex(selected)) == 32
    assert selected == profiles[0]["id"]


async def test_the_manifest_names_every_models_profile(client: httpx.AsyncClient) -> None:
    """As values and as the text of a manifest file, which says the same."""
    body = (await client.get("/v1/manifest")).json()
    by_model = {profile["model"]: profile for profile in body["profiles"]}
    assert set(by_model) == {"parrot", "embedder", "ranker", "sentiment"}
    assert by_model["parrot"]["name"] == "echo-f32"
    assert by_model["parrot"]["tags"] == {
        "llm_engine": "echo",
        "precision": "f32",
        "weights": "fp32",
        "tp": "1",
        "pp": "1",
        "engine": "echo",
        "gpu": "none",
        "lora": "false",
    }
    assert by_model["embedder"]["tags"]["backend"] == "echo"
    written = yaml.safe_load(body["manifest_file"])
    assert written == {"schema_version": body["schema_version"], "profiles": body["profiles"]}


async def test_the_license_is_whole_and_its_digest_right(client: httpx.AsyncClient) -> None:
    """The text of ours, a line on each model's, and the size and SHA-256 of all of it."""
    body = (await client.get("/v1/license")).json()
    data = body["content"].encode()
    assert (body["size"], body["sha"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert "END OF TERMS AND CONDITIONS" in body["content"]
    assert "- parrot: not stated by its source" in body["content"]


async def test_one_model_describes_itself(client: httpx.AsyncClient) -> None:
    """Under its own address, by the name it was asked for."""
    body = (await client.get("/m/gpt-parrot/v1/metadata")).json()
    assert [info["shortName"] for info in body["modelInfo"]] == ["gpt-parrot:1"]
    profiles = (await client.get("/m/embedder/v1/manifest")).json()["profiles"]
    assert [profile["model"] for profile in profiles] == ["embedder"]
    assert "ranker" not in (await client.get("/m/embedder/v1/license")).json()["content"]


async def test_no_path_of_this_machine_is_told(server: Server, client: httpx.AsyncClient) -> None:
    """Where models lie is nobody's business."""
    for path in ("/v1/metadata", "/v1/manifest", "/v1/license"):
        assert "/tmp" not in (await client.get(path)).text


async def test_metadata_has_the_proof_of_a_converted_model(tmp_path: Path) -> None:
    """Beside NIM's fields: the figures and bounds that its entry records; null for what was never compared."""
    proof = {
        "passed": True,
        "reference": "transformers, float32",
        "samples": 64,
        "figures": {"token_agreement": 0.98},
        "thresholds": {"token_agreement": ">= 0.95"},
    }
    entry = echo_chat(tmp_path, "proven")
    proven = replace(entry, spec=replace(entry.spec, proof={**proof, "date": "2026-11-20"}))
    async with gateway(tmp_path, templates_loaded=False, further=[proven]) as server, calling(server) as client:
        infos = (await client.get("/v1/metadata")).json()["modelInfo"]
    found = {info["shortName"].partition(":")[0]: info["proof"] for info in infos}
    assert found == {"parrot": None, "embedder": None, "ranker": None, "sentiment": None, "proven": proof}
    assert all(set(info) == {"shortName", "modelUrl", "proof"} for info in infos)
