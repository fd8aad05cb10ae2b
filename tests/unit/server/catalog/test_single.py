from __future__ import annotations

from pathlib import Path

import pytest

from argosy.core.errors import ModelNotFound
from argosy.core.models import GenerateSpec, ModelSpec, Task, TextSpec
from argosy.server.catalog.catalog import Catalog
from argosy.server.catalog.single import SingleModel
from argosy.store.entries import ModelEntry


@pytest.fixture
def catalog() -> Catalog:
    """`sums` with the adapter `sums-french` and the alias `org/sums`; `vectors`."""
    generate = GenerateSpec(100)
    specs = [
        ModelSpec("sums", Task.GENERATE, "echo", generate=generate),
        ModelSpec("sums-french", Task.GENERATE, "echo", generate=generate, parent="sums"),
        ModelSpec("vectors", Task.EMBED, "echo", text=TextSpec()),
    ]
    return Catalog([ModelEntry(spec, Path("store") / spec.name, (1,)) for spec in specs], {"org/sums": "sums"})


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("sums", ["sums", "sums-french", "org/sums"]),
        ("org/sums", ["sums", "sums-french", "org/sums"]),
        ("sums-french", ["sums-french"]),
        ("vectors", ["vectors"]),
    ],
)
def test_a_model_comes_with_its_names_and_adapters(catalog: Catalog, name: str, names: list[str]) -> None:
    """An adapter comes alone."""
    single = SingleModel(catalog, name)
    assert [model.name for model in single.models] == names
    for own in names:
        single.check(own)
        assert single.get(own).name == own


@pytest.mark.parametrize(("name", "other"), [("sums", "vectors"), ("sums-french", "sums"), ("vectors", "sums-query")])
def test_another_model_is_not_found(catalog: Catalog, name: str, other: str) -> None:
    """Whether the catalog has it or not."""
    single = SingleModel(catalog, name)
    for look in (single.check, single.get):
        with pytest.raises(ModelNotFound, match=f"this address serves '{name}'"):
            look(other)


def test_only_embedding_names_have_endings(catalog: Catalog) -> None:
    """`-query` and `-passage` say what a text is."""
    SingleModel(catalog, "vectors").check("vectors-query")
    with pytest.raises(ModelNotFound):
        SingleModel(catalog, "sums").check("sums-query")


def test_an_unknown_name_lists_nothing(catalog: Catalog) -> None:
    """Readiness below `/m/` needs no key, so its 404 must not tell what is served."""
    with pytest.raises(ModelNotFound) as caught:
        SingleModel(catalog, "nobody")
    assert "sums" not in caught.value.message
