from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from argosy.core.deadline import NEVER, Deadline
from argosy.core.errors import DeadlineExceeded, EngineError, InputTooLong, InvalidRequest, Overloaded
from argosy.core.models import GenerateSpec, ModelSpec, Task
from argosy.server.catalog.catalog import ServedModel
from argosy.server.text.tokenize import TextTokenizers, TokenizeOptions
from argosy.store.entries import ModelEntry


def entry(store: Path, name: str, *, parent: str | None = None, file: bool = True) -> ModelEntry:
    """A language model whose tokenizer, if it has one, knows `a` and `b`."""
    spec = ModelSpec(name, Task.GENERATE, "echo", generate=GenerateSpec(context_length=100), parent=parent)
    found = ModelEntry(spec, store / name, (1,))
    found.newest.mkdir(parents=True)
    if file:
        tokenizer = Tokenizer(models.WordLevel({"?": 0, "a": 1, "b": 2}, unk_token="?"))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        tokenizer.enable_truncation(2)
        tokenizer.enable_padding(length=8)
        tokenizer.save(str(found.newest / "tokenizer.json"))
    return found


def served(found: ModelEntry) -> ServedModel:
    return ServedModel(found.name, found.name, found.spec, 0)


@pytest.fixture
def tokenizers() -> Iterator[TextTokenizers]:
    made = TextTokenizers(TokenizeOptions(threads=1, waiting=2, seconds=5))
    yield made
    made.stop()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Reading waits until this is set."""
    release = threading.Event()
    real = TextTokenizers._tokenizer

    def wait(self: TextTokenizers, path: Path) -> object:
        assert release.wait(20)
        return real(self, path)

    monkeypatch.setattr(TextTokenizers, "_tokenizer", wait)
    yield release
    release.set()


async def test_texts_are_read_whole(tmp_path: Path, tokenizers: TextTokenizers) -> None:
    """Whatever the file says about truncation and padding."""
    model = entry(tmp_path, "m")
    tokenizers.replace([model])
    found = await tokenizers.encode(served(model), "a b c a", add_special_tokens=True, deadline=NEVER)
    assert (found.ids, found.tokens) == ([1, 2, 0, 1], ["a", "b", "?", "a"])
    assert await tokenizers.decode(served(model), found.ids, deadline=NEVER) == "a b ? a"


async def test_an_adapter_reads_as_its_parent(tmp_path: Path, tokenizers: TextTokenizers) -> None:
    """When it has no tokenizer of its own."""
    base = entry(tmp_path, "base")
    adapter = entry(tmp_path, "adapter", parent="base", file=False)
    tokenizers.replace([adapter, base])
    found = await tokenizers.encode(served(adapter), "b", add_special_tokens=True, deadline=NEVER)
    assert found.ids == [2]


async def test_a_model_that_is_gone_or_has_no_file_is_refused(tmp_path: Path, tokenizers: TextTokenizers) -> None:
    """Also after it was loaded."""
    model, bare = entry(tmp_path, "m"), entry(tmp_path, "bare", file=False)
    tokenizers.replace([model, bare])
    await tokenizers.encode(served(model), "a", add_special_tokens=True, deadline=NEVER)
    tokenizers.replace([bare])
    for gone in (model, bare):
        with pytest.raises(InvalidRequest, match=r"tokenizer\.json"):
            await tokenizers.encode(served(gone), "a", add_special_tokens=True, deadline=NEVER)
    assert tokenizers._loaded == {}


async def test_a_broken_file_is_a_server_error(tmp_path: Path, tokenizers: TextTokenizers) -> None:
    """That tells no path."""
    model = entry(tmp_path, "m")
    (model.newest / "tokenizer.json").write_text("{}")
    tokenizers.replace([model])
    with pytest.raises(EngineError) as refusal:
        await tokenizers.encode(served(model), "a", add_special_tokens=True, deadline=NEVER)
    assert str(tmp_path) not in refusal.value.message


async def test_a_text_that_no_model_could_read_is_refused_before_it_is_read(
    tmp_path: Path, tokenizers: TextTokenizers
) -> None:
    """By its characters."""
    model = entry(tmp_path, "m")
    tokenizers.replace([model])
    with pytest.raises(InputTooLong, match="exceeds maximum allowed"):
        await tokenizers.encode(served(model), "a" * 6401, add_special_tokens=True, deadline=NEVER)
    assert tokenizers._loaded == {}


async def test_the_deadline_ends_the_wait_but_not_the_bound(
    tmp_path: Path, tokenizers: TextTokenizers, held: threading.Event
) -> None:
    """Threads that still work count; beyond the bound requests are refused at once, and later taken again."""
    model = entry(tmp_path, "m")
    tokenizers.replace([model])

    async def ask(seconds: float) -> list[int]:
        deadline = Deadline.after(seconds)
        return (await tokenizers.encode(served(model), "a", add_special_tokens=True, deadline=deadline)).ids

    with pytest.raises(DeadlineExceeded):
        await ask(0.05)
    waiting = asyncio.create_task(ask(20))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await ask(20)
    held.set()
    assert await waiting == [1]
    assert await ask(5) == [1]
