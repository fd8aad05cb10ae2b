from __future__ import annotations

from pathlib import Path

import pytest

from argosy.core.errors import InvalidRequest, InvalidSetting, ModelNotFound
from argosy.core.models import GenerateSpec, ModelSpec, Task, TextSpec
from argosy.server.catalog.catalog import Catalog
from argosy.store.entries import ModelEntry


def entry(name: str, task: Task = Task.EMBED) -> ModelEntry:
    spec = ModelSpec(name, task, "echo", text=TextSpec(max_tokens=77), labels=("a",))
    return ModelEntry(spec, Path("/store") / name, (1,))


def test_a_name_leads_to_its_model() -> None:
    """With what routes need to know of it."""
    model = Catalog([entry("e5")], created=5).resolve("e5", Task.EMBED).model
    assert (model.name, model.root, model.created, model.max_tokens, model.task) == ("e5", "e5", 5, 77, Task.EMBED)


def test_an_alias_leads_to_the_same_model_under_its_own_name() -> None:
    """The root is the runtime's name."""
    model = Catalog([entry("e5")], {"text-embedding-3-small": "e5"}).resolve("text-embedding-3-small", Task.EMBED).model
    assert (model.name, model.root) == ("text-embedding-3-small", "e5")


@pytest.mark.parametrize("input_type", ["query", "passage"])
@pytest.mark.parametrize("name", ["e5", "alias"])
def test_a_suffix_stands_for_the_input_type(name: str, input_type: str) -> None:
    """For every public name of an embedding model."""
    named = Catalog([entry("e5")], {"alias": "e5"}).resolve(f"{name}-{input_type}", Task.EMBED)
    assert (named.model.name, named.input_type) == (name, input_type)


def test_a_model_that_really_ends_so_keeps_its_name() -> None:
    """The suffix does not shadow it."""
    named = Catalog([entry("e5"), entry("e5-query")]).resolve("e5-query", Task.EMBED)
    assert (named.model.root, named.input_type) == ("e5-query", None)


def test_only_embedding_models_have_suffixes() -> None:
    """Others do not tell queries from passages."""
    with pytest.raises(ModelNotFound):
        Catalog([entry("bert", Task.CLASSIFY)]).resolve("bert-query", Task.CLASSIFY)


def test_an_unknown_name_lists_what_is_served() -> None:
    """And bounds what it repeats of the name."""
    with pytest.raises(ModelNotFound, match="Served: e5") as caught:
        Catalog([entry("e5")]).resolve("x" * 1000, Task.EMBED)
    assert len(caught.value.message) < 200
    assert caught.value.param == "model"


def test_another_task_names_the_right_route() -> None:
    """It is the caller's mistake, not a missing model."""
    with pytest.raises(InvalidRequest, match="/v1/classify"):
        Catalog([entry("bert", Task.CLASSIFY)]).resolve("bert", Task.EMBED)


@pytest.mark.parametrize("aliases", [{"a": "nothing"}, {"e5": "e5"}])
def test_an_alias_that_is_taken_or_points_nowhere_refuses_to_start(aliases: dict[str, str]) -> None:
    """The operator is told which."""
    with pytest.raises(InvalidSetting):
        Catalog([entry("e5")], aliases)


def test_two_models_of_one_name_refuse_to_start() -> None:
    """Clients could not choose."""
    with pytest.raises(InvalidSetting, match="e5"):
        Catalog([entry("e5"), entry("e5")])


def adapter(name: str, parent: str) -> ModelEntry:
    spec = ModelSpec(name, Task.GENERATE, "echo", generate=GenerateSpec(8), parent=parent)
    return ModelEntry(spec, Path("/store") / name, (1,))


def talker(name: str) -> ModelEntry:
    return ModelEntry(ModelSpec(name, Task.GENERATE, "echo", generate=GenerateSpec(8)), Path("/store") / name, (1,))


def test_adapters_stand_after_every_language_model() -> None:
    """Clients without a choice take the first model there is."""
    catalog = Catalog([adapter("a-loud", "parrot"), talker("parrot"), entry("e5"), talker("zebra")])
    assert [model.name for model in catalog.models] == ["parrot", "zebra", "a-loud", "e5"]
    assert [model.parent for model in catalog.models] == [None, None, "parrot", None]


def test_models_can_be_replaced() -> None:
    """Those that go are unknown, their further names too; those that come are found."""
    catalog = Catalog([entry("e5")], {"alias": "e5"})
    catalog.replace([entry("bge")])
    assert [model.name for model in catalog.models] == ["bge"]
    for name in ("e5", "alias", "e5-query"):
        with pytest.raises(ModelNotFound, match="bge"):
            catalog.resolve(name, Task.EMBED)
    assert catalog.resolve("bge-query", Task.EMBED).input_type == "query"
    catalog.replace([entry("bge"), entry("e5")])
    assert catalog.get("alias").root == "e5"


def test_a_model_that_stays_was_created_when_it_was() -> None:
    """A newcomer is new."""
    catalog = Catalog([entry("e5")], created=5)
    catalog.replace([entry("bge"), entry("e5")])
    assert catalog.get("e5").created == 5
    assert catalog.get("bge").created > 5


def test_a_model_found_before_a_replacement_stays_valid() -> None:
    """A request in flight keeps what it resolved."""
    catalog = Catalog([entry("e5")])
    model = catalog.resolve("e5", Task.EMBED).model
    catalog.replace([])
    assert (model.root, model.max_tokens) == ("e5", 77)


def test_a_replacement_that_is_refused_changes_nothing() -> None:
    """Two models of one name, or one with the name of an alias."""
    catalog = Catalog([entry("e5")], {"alias": "e5"})
    for models in ([entry("bge"), entry("bge")], [entry("e5"), entry("alias")]):
        with pytest.raises(InvalidSetting):
            catalog.replace(models)
    assert [model.name for model in catalog.models] == ["e5", "alias"]


def test_a_catalogue_that_begins_empty_learns_its_aliases_models_later() -> None:
    """A gateway worker hears what is served only after it has begun."""
    catalog = Catalog(aliases={"org/e5": "e5"})
    assert catalog.models == ()
    catalog.replace([entry("e5")])
    assert catalog.get("org/e5").root == "e5"
