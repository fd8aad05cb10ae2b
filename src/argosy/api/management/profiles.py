"""`GET /api/v1/profiles`: the machine, and every way to run what it serves."""

from __future__ import annotations

from typing import Any

import msgspec

from argosy.api.http.exchange import Exchange
from argosy.core.errors import PermissionDenied
from argosy.server.profiles.board import ProfileBoard
from argosy.server.profiles.document import selection_document

_KNOWN = frozenset({"model"})

encode = msgspec.json.Encoder().encode


class ProfileReason(msgspec.Struct, frozen=True):
    """Why a profile cannot run as it is: what it needs, what is there, and what changes that."""

    lack: str
    needs: str
    has: str
    remedy: str
    text: str


class ProfileMemory(msgspec.Struct, frozen=True):
    """Bytes on one device; `tokens` is the length of each of `batch` contexts."""

    weights: int
    kv_cache: int
    overhead: int
    needed: int
    usable: int
    total: int
    tokens: int
    batch: int
    text: str


class ProfileProof(msgspec.Struct, frozen=True):
    """How a built profile compares with its original: figures by name, and the bounds they were held to."""

    passed: bool
    reference: str
    samples: int
    figures: dict[str, float]
    thresholds: dict[str, str]


class ProfileVerdict(msgspec.Struct, frozen=True):
    """A profile and whether it can run: `status` is compatible, low_memory or incompatible.

    `proof` is null when it was never compared.
    """

    id: str
    name: str
    tags: dict[str, str]
    status: str
    selected: bool
    automatic: bool
    built: bool
    reasons: list[ProfileReason]
    explanation: str
    memory: ProfileMemory | None
    max_model_len: int
    gpus: list[int]
    notes: list[str]
    proof: ProfileProof | None


class ModelProfiles(msgspec.Struct, frozen=True):
    """A model's profiles, best first; `selected` is the id of the one that is chosen."""

    model: str
    selected: str | None
    why: str
    profiles: list[ProfileVerdict]


class ProfilesReply(msgspec.Struct, frozen=True):
    """What `argosy doctor --json` says of the host, and the models."""

    host: dict[str, Any]
    models: list[ModelProfiles]


class ProfilesRoute:
    """Tells operators what could run here."""

    def __init__(self, board: ProfileBoard) -> None:
        self._board = board

    async def list(self, exchange: Exchange) -> None:
        """The served models' profiles, or those of the models that `model` names, once or more."""
        if not exchange.operator:
            raise PermissionDenied("Only an operator may see the machine and its profiles.")
        query = exchange.query_params
        if unknown := sorted(set(query.keys()) - _KNOWN):
            exchange.warn(unknown)
        view = await self._board.view(query.getlist("model"))
        models = [selection_document(selection) for selection in view.selections]
        await exchange.reply(encode({"host": view.host.to_mapping(), "models": models}))
