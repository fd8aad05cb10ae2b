"""`GET /v1/version`, `/v1/metadata`, `/v1/manifest` and `/v1/license`: what is running here, for deployment tools."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib import metadata

import msgspec
import yaml

from argosy.api.http.exchange import Exchange
from argosy.server.catalog.catalog import Catalog, ServedModel
from argosy.server.catalog.origin import origin, version
from argosy.server.profiles.profile import Profile
from argosy.server.profiles.sources.entry import profile_of

_API = "1.0.0"
_SCHEMA = "2.0.0"
_LICENSE_URL = "https://www.apache.org/licenses/LICENSE-2.0"

encode = msgspec.json.Encoder().encode


class Version(msgspec.Struct, frozen=True):
    """Version of the program and of the NIM surface it follows."""

    release: str
    api: str


class ModelProof(msgspec.Struct, frozen=True):
    """How a converted model compares with its original: figures by name, and the bounds they were held to."""

    passed: bool
    reference: str
    samples: int
    figures: Mapping[str, float]
    thresholds: Mapping[str, str]


class ModelInfo(msgspec.Struct, frozen=True, rename="camel"):
    """A served model: `name:version`, and where it comes from, as NIM has it.

    `proof` is Argosy's own, and null when the model was never compared with its original.
    """

    short_name: str
    model_url: str
    proof: ModelProof | None


class LicenseInfo(msgspec.Struct, frozen=True):
    """A licence file; `sha` is the SHA-256 of `content`, `size` its bytes in UTF-8."""

    name: str
    path: str
    sha: str
    size: int
    url: str
    type: str
    content: str


class Metadata(msgspec.Struct, frozen=True):
    """What NIM's `/v1/metadata` has."""

    version: str
    model_info: list[ModelInfo] = msgspec.field(name="modelInfo")
    asset_info: list[str] = msgspec.field(name="assetInfo")
    license_info: LicenseInfo = msgspec.field(name="licenseInfo")
    repository_override: str
    selected_model_profile_id: str = msgspec.field(name="selectedModelProfileId")


class ManifestProfile(msgspec.Struct, frozen=True):
    """One way to run one model; `workspace` says where its main file comes from."""

    id: str
    name: str
    model: str
    tags: Mapping[str, str]
    workspace: Mapping[str, Mapping[str, Mapping[str, str]]]


class Manifest(msgspec.Struct, frozen=True):
    """The profiles of the served models, as values and as the text of a manifest file (YAML, schema 2)."""

    schema_version: str
    profiles: list[ManifestProfile]
    manifest_file: str


class ManagementRoutes:
    """Describes this server."""

    def __init__(self, catalog: Catalog, release: str) -> None:
        self._catalog = catalog
        self._release = release
        self._license = _own_license()

    async def version(self, exchange: Exchange) -> None:
        """Which Argosy this is."""
        await exchange.reply(encode(Version(self._release, _API)))

    async def metadata(self, exchange: Exchange) -> None:
        """Version, models and licence."""
        models = self._models(exchange)
        profiles = self._profiles(models)
        await exchange.reply(
            encode(
                Metadata(
                    version=self._release,
                    model_info=[
                        ModelInfo(f"{model.name}:{version(model.spec)}", origin(model.spec), _proof(profile))
                        for model, profile in zip(models, profiles, strict=True)
                    ],
                    asset_info=[],
                    license_info=self._license_info(models),
                    repository_override="",
                    selected_model_profile_id=profiles[0].id if profiles else "",
                )
            )
        )

    async def manifest(self, exchange: Exchange) -> None:
        """The profile that every model runs as."""
        models = self._models(exchange)
        profiles = [
            ManifestProfile(
                profile.id,
                profile.name,
                profile.model,
                profile.tags,
                {"files": {model.spec.model: {"uri": origin(model.spec)}}},
            )
            for profile, model in zip(self._profiles(models), models, strict=True)
        ]
        content = {"schema_version": _SCHEMA, "profiles": msgspec.to_builtins(profiles)}
        text = yaml.safe_dump(content, sort_keys=False)
        await exchange.reply(encode(Manifest(_SCHEMA, profiles, text)))

    async def license(self, exchange: Exchange) -> None:
        """The licences of the models, and ours in full."""
        await exchange.reply(encode(self._license_info(self._models(exchange))))

    def _models(self, exchange: Exchange) -> list[ServedModel]:
        """Every model once; the one that the address names, if it names one."""
        if exchange.scope_model is not None:
            return [exchange.scope_model.served]
        return [model for model in self._catalog.models if model.name == model.spec.name]

    def _profiles(self, models: Sequence[ServedModel]) -> list[Profile]:
        bases = {model.spec.parent for model in self._catalog.models}
        return [profile_of(model.spec, adapters=model.spec.name in bases) for model in models]

    def _license_info(self, models: Sequence[ServedModel]) -> LicenseInfo:
        lines = [
            f"Argosy {self._release} is licensed under the Apache License 2.0, which stands below in full.",
            "The models it serves have licences of their own:",
            "",
            *(f"- {model.name}: {model.spec.license or 'not stated by its source'}" for model in models),
            "",
            self._license,
        ]
        content = "\n".join(lines)
        data = content.encode()
        digest = hashlib.sha256(data).hexdigest()
        return LicenseInfo("LICENSE", "LICENSE", digest, len(data), _LICENSE_URL, "file", content)


def _proof(profile: Profile) -> ModelProof | None:
    found = profile.proof
    if found is None:
        return None
    return ModelProof(found.passed, found.reference, found.samples, found.figures, found.thresholds)


def _own_license() -> str:
    """The text of our licence, which every installation carries."""
    return metadata.distribution("argosy").read_text("licenses/LICENSE") or f"See {_LICENSE_URL}.\n"
