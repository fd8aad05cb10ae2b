"""vLLM computes what transformers does, with and without an adapter, shares prefixes, and comes back when it dies."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from argosy.core.errors import EngineError, InvalidModelEntry, InvalidRequest
from argosy.engines import registry
from argosy.engines.contract import Constraint, ConstraintKind, EngineOptions, GenerationRequest, Sampling
from argosy.engines.text.byte_tokens import token_table
from argosy.engines.vllm.engine import VllmEngine
from tests.engines.random_llama import CONTEXT_LENGTH, LAYERS, WIDTH, greedy, random_llama_spec, write_random_llama
from tests.suites.engine_contract import Answer, run, start, wait_until
from tests.suites.tiny_adapters import RANK, Matrices, random_matrices, write_adapter
from tests.suites.tiny_models import TinyLanguageModel

pytestmark = pytest.mark.timeout(600)

COUNT = 24
_SEED = np.random.default_rng(5)
PROMPTS: list[list[int]] = [[0, *_SEED.integers(2, 258, length).tolist()] for length in (1, 9, 40, 200)]
OBJECT = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 6}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
TAG = {
    "type": "structural_tag",
    "format": {"type": "tag", "begin": "<n>", "content": {"type": "regex", "pattern": "[0-9]{2}"}, "end": "</n>"},
}
CONSTRAINTS = [
    (Constraint(ConstraintKind.REGEX, "[xyz]{4}"), "[xyz]{4}"),
    (Constraint(ConstraintKind.EBNF, 'root ::= "a" | "bc"'), "a|bc"),
    (Constraint(ConstraintKind.STRUCTURAL_TAG, json.dumps(TAG)), "<n>[0-9]{2}</n>"),
]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version folder with a random Llama and an adapter for it."""
    path = tmp_path_factory.mktemp("version")
    write_random_llama(path)
    write_adapter(path / "adapter", matrices(), alpha=2 * RANK)
    return path


def matrices() -> Matrices:
    return random_matrices(LAYERS, WIDTH, size=0.1)


def built(directory: Path, adapter: str | None = None, **parameters: str) -> VllmEngine:
    engine = registry.create(random_llama_spec(adapter), EngineOptions(directory, threads=2, parameters=parameters))
    assert isinstance(engine, VllmEngine)
    return engine


@pytest.fixture(scope="module")
def engine(directory: Path) -> Iterator[VllmEngine]:
    """One engine for the module, with two slots."""
    engine = built(directory, max_num_seqs="2", kv_cache_gib="1")
    engine.start()
    yield engine
    engine.stop()


def request(prompt: Sequence[int], **sampling: object) -> GenerationRequest:
    values = {"max_tokens": COUNT, "temperature": 0.0, "ignore_eos": True, **sampling}
    return GenerationRequest(np.array(prompt, dtype=np.int32), replace(Sampling(), **values))


def written(engine: VllmEngine, prompts: Sequence[Sequence[int]]) -> list[list[int]]:
    """The tokens of greedy answers, all asked at once."""
    answers = [start(engine, request(prompt, logprobs=True)) for prompt in prompts]
    return [tokens(answer) for answer in answers]


def tokens(answer: Answer) -> list[int]:
    """Ids, by the bytes that each token shows; every token of the vocabulary shows other ones."""
    assert answer.wait().error is None
    tokenizer = TinyLanguageModel.make().tokenizer()
    ids = {shown: index for index, shown in reversed([*enumerate(token_table(tokenizer, tokenizer.get_vocab_size()))])}
    return [ids.get(token.token, -1) for chunk in answer.chunks for token in chunk.logprobs]


def processes(name: str) -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if name in " ".join(child.cmdline())]


def test_writes_what_transformers_writes(engine: VllmEngine, directory: Path) -> None:
    """Greedy, token by token, prompts of one to two hundred tokens together."""
    expected = greedy(directory, PROMPTS, COUNT)
    assert len({tuple(row) for row in expected}) == len(PROMPTS)
    for got, wanted in zip(written(engine, PROMPTS), expected, strict=True):
        # Special tokens show nothing and cannot be told apart.
        assert got == [token if token >= 2 else -1 for token in wanted]


def test_a_prompt_that_was_read_is_found_again(engine: VllmEngine) -> None:
    """The second time most of a long prompt comes out of the cache, and the answer is the same."""
    long = [0, *np.random.default_rng(8).integers(2, 258, 1000).tolist()]
    first = run(engine, request(long)).text
    before = engine.metrics()["prefix_cache_hits"]
    assert run(engine, request(long)).text == first
    assert engine.metrics()["prefix_cache_hits"] - before > 800


def test_a_cancelled_generation_makes_room(engine: VllmEngine) -> None:
    """Of three, two run; when one of them is cancelled the third begins."""
    endless = request(PROMPTS[1], max_tokens=CONTEXT_LENGTH - 100)
    first, second, third = Answer(), Answer(), Answer()
    handles = [engine.submit(endless, first), engine.submit(endless, second)]
    assert first.first.wait(60)
    assert second.first.wait(60)
    handles.append(engine.submit(endless, third))
    wait_until(lambda: engine.metrics()["waiting"] == 1)
    assert not third.chunks
    engine.cancel(handles[0])
    assert first.wait().finish_reason == "cancelled"
    assert third.first.wait(60)
    for handle in handles[1:]:
        engine.cancel(handle)
    assert {second.wait().finish_reason, third.wait().finish_reason} == {"cancelled"}


def test_without_a_seed_answers_differ(engine: VllmEngine) -> None:
    """Each request draws its own."""
    wild = request(PROMPTS[2], temperature=1.0)
    assert len({run(engine, wild).text for _ in range(4)}) > 1


def test_a_bias_decides(engine: VllmEngine) -> None:
    """A token with a large bias is the only one written."""
    letter = 2 + ord("q")
    assert run(engine, request(PROMPTS[1], logit_bias={letter: 100.0}, max_tokens=5)).text == "qqqqq"


@pytest.mark.parametrize(("constraint", "pattern"), CONSTRAINTS, ids=lambda value: getattr(value, "kind", ""))
def test_every_kind_of_constraint_holds(engine: VllmEngine, constraint: Constraint, pattern: str) -> None:
    """The whole answer matches, sampled as well."""
    for temperature in (0.0, 1.0):
        answer = run(engine, request(PROMPTS[1], ignore_eos=False, constraint=constraint, temperature=temperature))
        assert re.fullmatch(pattern, answer.text)


def test_a_schema_holds(engine: VllmEngine) -> None:
    """An answer that ends with "stop" is JSON of that form."""
    constraint = Constraint(ConstraintKind.JSON_SCHEMA, json.dumps(OBJECT))
    stopped = []
    for seed in range(4):
        sampling = {"constraint": constraint, "max_tokens": 400, "temperature": 1.0, "seed": seed}
        answer = run(engine, request(PROMPTS[1], ignore_eos=False, **sampling))
        if answer.chunks[-1].finish_reason == "stop":
            stopped.append(json.loads(answer.text))
    assert stopped
    assert all(type(value["age"]) is int and len(value["name"]) <= 6 for value in stopped)


def test_a_constraint_that_takes_too_long_is_refused(engine: VllmEngine) -> None:
    """In two seconds, while others are answered."""
    counting = " | ".join(f'("a"{{1,{count}}} "b"{{1,{count}}})' for count in range(1, 500))
    slow = Constraint(ConstraintKind.EBNF, f"root ::= {counting}")
    answer = Answer()
    engine.submit(request(PROMPTS[1], ignore_eos=False, constraint=slow), answer)
    error = answer.wait().error
    assert isinstance(error, InvalidRequest), error
    assert error.param == "constraint"
    assert "too long" in error.message
    assert run(engine, request(PROMPTS[1])).text


def test_when_its_core_is_killed_answers_fail_and_it_comes_back(engine: VllmEngine, directory: Path) -> None:
    """Each answer ends once with an error, requests are refused meanwhile, and the next one answers as before."""
    expected = run(engine, request(PROMPTS[2])).text
    answers = [start(engine, request(PROMPTS[1], max_tokens=CONTEXT_LENGTH - 100)) for _ in range(3)]
    assert answers[0].first.wait(60)
    (core,) = processes("VLLM::EngineCore")
    workers = core.children(recursive=True)
    core.kill()
    assert all(isinstance(answer.wait().error, EngineError) for answer in answers)
    with pytest.raises(EngineError, match="again"):
        engine.submit(request(PROMPTS[1]), Answer())
    psutil.wait_procs(workers, 30)
    assert not [worker for worker in workers if worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE]

    def answered() -> bool:
        try:
            return run(engine, request(PROMPTS[2])).text == expected
        except EngineError:
            return False

    give_up = time.monotonic() + 300
    while not answered():
        assert time.monotonic() < give_up, "it did not come back"
        time.sleep(0.5)
    assert [answer.ends for answer in answers] == [1] * 3


def test_an_adapter_is_added_to_the_weights(directory: Path) -> None:
    """Its answers are those of a network with W + scale · B · A, and differ from the base's."""
    engine = built(directory, "adapter", kv_cache_gib="1")
    engine.start()
    try:
        got = written(engine, PROMPTS)
    finally:
        engine.stop()
    merged = greedy(directory, PROMPTS, COUNT, matrices(), scale=2.0)
    assert merged != greedy(directory, PROMPTS, COUNT)
    assert got == [[token if token >= 2 else -1 for token in row] for row in merged]


def test_stopping_ends_every_process(directory: Path) -> None:
    """Also while vLLM is still starting."""
    before = {process.pid for process in processes("VLLM::")}
    engine = built(directory, start_timeout_s="4")
    with pytest.raises(InvalidModelEntry, match="start_timeout_s"):
        engine.start()
    wait_until(lambda: {process.pid for process in processes("VLLM::")} <= before)


def test_an_adapter_for_another_model_is_refused(directory: Path, tmp_path: Path) -> None:
    """Before vLLM would pass over what does not fit."""
    for file in directory.iterdir():
        (tmp_path / file.name).symlink_to(file)
    write_adapter(tmp_path / "other", random_matrices(LAYERS + 1, WIDTH))
    with pytest.raises(InvalidModelEntry, match=r"no layer 'model\.layers\.2\."):
        built(tmp_path, "other").start()


def test_what_vllm_cannot_run_is_told(directory: Path, tmp_path: Path) -> None:
    """An architecture that it does not know is an error of the entry, with vLLM's own words."""
    for file in directory.iterdir():
        (tmp_path / file.name).symlink_to(file)
    config = json.loads((directory / "config.json").read_text())
    (tmp_path / "config.json").unlink()
    (tmp_path / "config.json").write_text(json.dumps({**config, "architectures": ["NobodyForCausalLM"]}))
    with pytest.raises(InvalidModelEntry, match="NobodyForCausalLM"):
        built(tmp_path).start()
