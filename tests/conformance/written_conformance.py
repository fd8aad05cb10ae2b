"""Writes `docs/conformance.md` from the routes, the readers of their bodies, the engines and the judges' verdicts."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from argosy.api.http.bodies import BodyReader, Disposition, FieldFact
from argosy.api.http.routes import RouteSpec
from argosy.engines.contract import Feature
from argosy.engines.registry import ENGINES
from tests.conformance.judging import ROOT, Judge, Verdict
from tests.conformance.refused import ABSENT, INNER

DOCUMENT = ROOT / "docs" / "conformance.md"
SCENARIOS = Path(__file__).with_name("triton_scenarios.json")
OFFICIAL = ("test_openai_client", "test_openai_features", "test_openai_errors")
"""Tests by the official `openai` client."""

_DEPTH = 3

FEATURES: Mapping[Feature, str] = {
    Feature.LOGPROBS: "log-probabilities of the answer's tokens",
    Feature.TOP_LOGPROBS: "log-probabilities of the likeliest other tokens",
    Feature.LOGIT_BIAS: "`logit_bias`",
    Feature.MIN_P: "`min_p`",
    Feature.CONSTRAINT: "answers held to a schema, expression, grammar or choice; forced tool calls",
    Feature.ADAPTER: "LoRA adapters",
}

_HEAD = """# Conformance

Which clients were tried and what each found, which routes there are and what becomes of every request field.
This page is written by `make conformance` and checked by `make test`: it is wrong nowhere, or the tests fail.

- **supported**: does what the dialect says.
- **refused**: 400 (or what the dialect has for it) naming the field, with the reason given here. Values that ask for
  nothing are taken.
- **engine-dependent**: works where the model or its engine can; else refused the same way.
- **ignored**: changes no answer here; the reply's header `x-argosy-warning` names it.

Fields that are not listed are unknown: they change nothing, and the reply's header `x-argosy-warning` names them.
"""


def document(
    routes: Sequence[RouteSpec],
    methods: Mapping[str, bool],
    verdicts: Iterable[tuple[Judge, Mapping[str, Verdict]]],
) -> str:
    """The page.

    Args:
        routes: every route of the gateway.
        methods: whether each method of the gRPC service is there.
        verdicts: what each judge found.
    """
    heard = list(verdicts)
    parts = [
        _HEAD,
        _routes(routes),
        _grpc(methods),
        _fields(routes),
        _engines(),
        _judges(heard),
        _official(),
        _scenarios(),
    ]
    return "\n".join(part.strip() + "\n" for part in parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _routes(routes: Sequence[RouteSpec]) -> str:
    rows = [(f"`{spec.method} {spec.path}`", spec.tag, spec.summary) for spec in routes]
    absent = [(f"`{path}`", reason) for path, reason in ABSENT.items()]
    return f"""
## Routes

Every route is there again below `/m/<model>`, which behaves as a server of that model alone.

{_table(("route", "dialect", "what it does"), rows)}

Not there, and 404:

{_table(("route", "why"), absent)}
"""


def _grpc(methods: Mapping[str, bool]) -> str:
    there = ", ".join(f"`{name}`" for name, present in methods.items() if present)
    absent = ", ".join(f"`{name}`" for name, present in methods.items() if not present)
    return f"""
### gRPC

`inference.GRPCInferenceService` has {there}.
UNIMPLEMENTED, for the reasons above: {absent}.
"""


def _fields(routes: Sequence[RouteSpec]) -> str:
    sections = ["## Request fields"]
    with_body = [spec for spec in routes if spec.body is not None]
    # Routes that read their bodies in the same way share a table.
    alike = sorted(with_body, key=lambda spec: (spec.tag, str(_reading(spec))))
    for (said, found), group in groupby(alike, key=_reading):
        names = ", ".join(f"`{spec.path}`" for spec in group)
        rows = [(f"`{fact.name}`", fact.disposition.value, fact.note) for fact in found]
        sections.append("\n\n".join([f"### {names}", *said, _table(("field", "is", "because"), rows)]))
    inner = [(f"`{one.path}`", f"`{one.field}`", one.reason) for one in INNER]
    sections.append(f"### Refused inside of fields\n\n{_table(('route', 'field', 'because'), inner)}")
    return "\n\n".join(sections)


def _reading(spec: RouteSpec) -> tuple[list[str], list[FieldFact]]:
    """What a body is, where its struct says more than that it is one, and its fields."""
    said = " ".join((spec.body.__doc__ or "").split()) if spec.body else ""
    return [said] if said != "The request." else [], facts(spec)


def facts(spec: RouteSpec) -> list[FieldFact]:
    """What becomes of each field of a route's body: by its reader, or by its struct where it has none."""
    for reader in _readers(getattr(spec.endpoint, "__self__", None), _DEPTH):
        if reader.kind is spec.body:
            return reader.fields()
    assert spec.body is not None
    return [FieldFact(name, Disposition.SUPPORTED) for name in sorted(spec.body.__struct_encode_fields__)]


def _readers(owner: Any, depth: int) -> Iterator[BodyReader[Any]]:
    """The readers that the owner of an endpoint holds, itself or through what it is made of."""
    if isinstance(owner, BodyReader):
        yield owner
    elif depth and type(owner).__module__.startswith("argosy.api"):
        for part in vars(owner).values() if hasattr(owner, "__dict__") else ():
            yield from _readers(part, depth - 1)


def _engines() -> str:
    engines = {name: factory.features for name, factory in sorted(ENGINES.items()) if factory.features}
    rows = [
        (feature.value, FEATURES[feature], *("yes" if feature in can else "no" for can in engines.values()))
        for feature in Feature
    ]
    return f"""
## What depends on the engine

{_table(("feature", "what it is", *(f"`{name}`" for name in engines)), rows)}
"""


def _judges(verdicts: Sequence[tuple[Judge, Mapping[str, Verdict]]]) -> str:
    opening = """## Judges

Other people's clients against the bundled models. *differs* is a difference that is meant, with the reason. Each client
has the version that is locked in `requirements/`."""
    sections = [opening]
    for judge, found in verdicts:
        rows = [(sentence, _outcome(found.get(name))) for name, sentence in judge.checks().items()]
        title = f"{judge.client} {judge.version}: {judge.title}"
        sections.append(f"### {title}\n\n{_table(('check', 'outcome'), rows)}")
    return "\n\n".join(sections)


def _outcome(verdict: Verdict | None) -> str:
    if verdict is None:
        return "not heard"
    return f"differs: {verdict.detail}" if verdict.outcome == "differs" else verdict.outcome


def _official() -> str:
    lines = (ROOT / "requirements" / "dev.txt").read_text().splitlines()
    (version,) = [line.split()[0].partition("==")[2] for line in lines if line.startswith("openai==")]
    rows = [row for module in OFFICIAL for row in _tests(module)]
    return f"""
### openai {version}

Each line is a test that passes.

{_table(("test", "what passes"), rows)}
"""


def _tests(module: str) -> list[tuple[str, str]]:
    """Name and sentence of each test of a module."""
    tree = ast.parse(Path(__file__).with_name(f"{module}.py").read_text())
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    tests = [node for node in tree.body if isinstance(node, kinds) and node.name.startswith("test_")]
    return [
        (node.name.removeprefix("test_").replace("_", " "), " ".join((ast.get_docstring(node) or "").split()))
        for node in tests
    ]


def _scenarios() -> str:
    rows = [
        (row["scenario"], f"`{row['programs']}`" if row["programs"] else "", row["triton"], _meant(row))
        for row in json.loads(SCENARIOS.read_text())
    ]
    return f"""
## Triton's client scenarios

What Triton's published client programs do, written anew with `tritonclient`, against Triton itself and against
Argosy in front of the same Triton.

{_table(("scenario", "published program", "Triton", "Argosy"), rows)}
"""


def _meant(row: Mapping[str, str]) -> str:
    return f"{row['argosy']} ({row['note']})" if row["note"] else row["argosy"]
