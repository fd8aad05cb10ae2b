"""Selections as plain data, for JSON."""

from __future__ import annotations

from typing import Any

from argosy.server.profiles import explain
from argosy.server.profiles.memory import Demand
from argosy.server.profiles.profile import Proof
from argosy.server.profiles.verdict import Selection, Verdict


def selection_document(selection: Selection) -> dict[str, Any]:
    """One model: what is chosen, why, and every profile, best first."""
    chosen = selection.chosen
    return {
        "model": selection.model,
        "selected": chosen.profile.id if chosen is not None else None,
        "why": explain.why(selection),
        "profiles": [_verdict(verdict, selected=verdict is chosen) for verdict in selection.verdicts],
    }


def _verdict(verdict: Verdict, *, selected: bool) -> dict[str, Any]:
    profile = verdict.profile
    return {
        "id": profile.id,
        "name": profile.name,
        "tags": dict(profile.tags),
        "status": verdict.bucket.value,
        "selected": selected,
        "automatic": verdict.automatic,
        "built": profile.built,
        "reasons": [
            {
                "lack": reason.lack.value,
                "needs": reason.needs,
                "has": reason.has,
                "remedy": reason.remedy,
                "text": reason.text,
            }
            for reason in verdict.reasons
        ],
        "explanation": explain.reasons(verdict),
        "memory": _memory(verdict.demand),
        "max_model_len": verdict.max_model_len,
        "gpus": list(verdict.gpus),
        "notes": list(verdict.notes),
        "proof": _proof(profile.proof),
    }


def _proof(proof: Proof | None) -> dict[str, Any] | None:
    if proof is None:
        return None
    return {
        "passed": proof.passed,
        "reference": proof.reference,
        "samples": proof.samples,
        "figures": dict(proof.figures),
        "thresholds": dict(proof.thresholds),
    }


def _memory(found: Demand | None) -> dict[str, Any] | None:
    """Bytes on one device."""
    if found is None:
        return None
    return {
        "weights": found.weights,
        "kv_cache": found.cache,
        "overhead": found.overhead,
        "needed": found.needed,
        "usable": found.usable,
        "total": found.total,
        "tokens": found.tokens,
        "batch": found.batch,
        "text": found.text,
    }
