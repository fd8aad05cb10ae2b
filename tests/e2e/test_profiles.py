"""Profiles on a running server: what the start writes, and what operators see."""

from __future__ import annotations

from tests.e2e.running import Running


def test_the_machine_is_told_as_triton_itself_tells_it(bundled: Running) -> None:
    """The version that is read off the installation is the running server's."""
    host = bundled.get("/api/v1/profiles").json()["host"]
    assert host["triton"]["version"] == bundled.get("/v2").json()["version"]
    assert host["triton"]["backends"] == ["python"]
    assert "CPU" in host["devices"]


def test_every_model_runs_as_the_profile_that_metadata_names(bundled: Running) -> None:
    """One id in the manifest, the metadata, the profiles and the lines of the start."""
    models = bundled.get("/api/v1/profiles").json()["models"]
    manifest = {profile["model"]: profile["id"] for profile in bundled.get("/v1/manifest").json()["profiles"]}
    assert {model["model"]: model["selected"] for model in models} == manifest
    assert bundled.get("/v1/metadata").json()["selectedModelProfileId"] in manifest.values()
    assert all(profile["status"] == "compatible" for model in models for profile in model["profiles"])
    written = bundled.log.read_text()
    for model in models:
        assert f"Selected profile: {model['selected']} (" in written
    assert written.count("Profile metadata: ") == len(models)


def test_a_page_of_elsewhere_sees_nothing(bundled: Running) -> None:
    """On a server without keys only programs of this machine are operators."""
    reply = bundled.get("/api/v1/profiles", headers={"host": "example.org"})
    assert (reply.status_code, reply.headers["content-type"]) == (403, "application/problem+json")
