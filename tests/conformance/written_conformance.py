"""Writes `docs/conformance.md` from the routes, the readers of their bodies, the engines and the judges' verdicts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from argosy.api.http import single
from argosy.api.http.bodies import FieldFact
from argosy.api.http.routes import RouteSpec
from argosy.engines.contract import Feature
from argosy.engines.registry import ENGINES
from tests.conformance.absent import ABSENT
from tests.conformance.judging import ROOT, Judge, Verdict
from tests.conformance.official import TestName, sentences

DOCUMENT = ROOT / "docs" / "conformance.md"
SCENARIOS = Path(__file__).with_name("triton_scenarios.json")

DOCUMENTATION: Mapping[str, str] = {
    "/openapi.json": "The OpenAPI document of these routes",
    "/docs": "A page to read it and to try the routes",
    "/docs/oauth2-redirect": "Where that page would come back to from a sign-in",
}
"""Routes of the web framework's own, with what they do."""

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
- **refused**: 400 (or what the dialect has for it) naming the field, for the reason given here. Values that ask for
  nothing are taken.
- **engine-dependent**: works where the model or its engine can; else refused the same way, unless said otherwise here.
- **ignored**: changes no answer here; the reply's header `x-argosy-warning` names it.

Fields that are not listed are unknown: they change nothing, and the reply's header `x-argosy-warning` names them. It
does not name those in the objects of a list, such as `messages[].colour`. `a.b` is the field `b` inside of the object
`a`, `a[].b` that of every object of the list `a`, and `*` any further characters.
"""


def document(
    routes: Sequence[RouteSpec],
    documentation: Sequence[str],
    methods: Mapping[str, bool],
    verdicts: Iterable[tuple[Judge, Mapping[str, Verdict]]],
    official: Mapping[TestName, Verdict],
) -> str:
    """The page.

    Args:
        routes: every route of the gateway.
        documentation: paths of the web framework's own routes.
        methods: whether each method of the gRPC service is there.
        verdicts: what each judge found.
        official: what came of the tests by OpenAI's own client.
    """
    heard = list(verdicts)
    parts = [
        _HEAD,
        _routes(routes, documentation),
        _grpc(methods),
        _fields(routes),
        _engines(),
        _judges(heard),
        _official(official),
        _scenarios(),
    ]
    return "\n".join(part.strip() + "\n" for part in parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _routes(routes: Sequence[RouteSpec], documentation: Sequence[str]) -> str:
    rows = [(f"`{spec.method} {spec.path}`", spec.tag, spec.summary, _below(spec.path)) for spec in routes]
    rows += [(f"`GET {path}`", "", DOCUMENTATION[path], _below(path)) for path in documentation]
    absent = [(f"`{path}`", reason) for path, reason in ABSENT.items()]
    return f"""
## Routes

Some are there again below `/m/<model>`, which behaves as a server of that model alone. Health needs no key on a server
that has keys, everything else does; the repository's and the management routes need an operator's.

{_table(("route", "dialect", "what it does", "below `/m/<model>`"), rows)}

Not there, and 404:

{_table(("route", "why"), absent)}
"""


def _below(path: str) -> str:
    return "yes" if single.split(f"{single.PREFIX}model{path}") == ("model", path) else "no"


def _grpc(methods: Mapping[str, bool]) -> str:
    there = ", ".join(f"`{name}`" for name, present in methods.items() if present)
    absent = ", ".join(f"`{name}`" for name, present in methods.items() if not present)
    return f"""
### gRPC

`inference.GRPCInferenceService` has {there}.
UNIMPLEMENTED, for the reasons above: {absent}.
Requests have the parameters of the REST routes, those about binary data apart: tensors are always binary.
"""


def _fields(routes: Sequence[RouteSpec]) -> str:
    sections = ["## Request fields"]
    with_body = [spec for spec in routes if spec.body is not None]
    # Routes that read their bodies in the same way share a table.
    alike = sorted(with_body, key=lambda spec: (spec.tag, str(_reading(spec))))
    for (said, found), group in groupby(alike, key=_reading):
        names = ", ".join(f"`{spec.path}`" for spec in group)
        rows = [(f"`{fact.name}`", fact.disposition.value, fact.note) for fact in found]
        sections.append("\n\n".join([f"### {names}", *said, _table(("field", "is", "what to know"), rows)]))
    return "\n\n".join(sections)


def _reading(spec: RouteSpec) -> tuple[list[str], tuple[FieldFact, ...]]:
    """What a body is, where its struct says more than that it is one, and its fields."""
    said = " ".join((spec.body.__doc__ or "").split()) if spec.body else ""
    return [said] if said != "The request." else [], spec.fields


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


def _official(outcomes: Mapping[TestName, Verdict]) -> str:
    lines = (ROOT / "requirements" / "dev.txt").read_text().splitlines()
    (version,) = [line.split()[0].partition("==")[2] for line in lines if line.startswith("openai==")]
    rows = [
        (test.name.removeprefix("test_").replace("_", " "), sentence, _outcome(outcomes.get(test)))
        for test, sentence in sentences().items()
    ]
    return f"""
### openai {version}

{_table(("test", "what it demands", "outcome"), rows)}
"""


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
