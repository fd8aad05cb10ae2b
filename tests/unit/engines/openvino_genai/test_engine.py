"""What the OpenVINO GenAI engine does beyond the contract: healing, sampling, waiting and caching."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from argosy.core.errors import EngineCrashed, EngineError, InputTooLong, InvalidModelEntry
from argosy.core.models import GenerateSpec
from argosy.engines.contract import EngineOptions, GenerationRequest, Sampling
from argosy.engines.openvino_genai.engine import OpenVINOGenAIEngine, create
from bench.random_llama import LlamaShape, write_random_llama
from tests.suites.engine_contract import Answer, run, start, wait_until
from tests.suites.tiny_models import RECITATION, REPLY, tiny_spec, write_tiny_gguf, write_tiny_ir

ENDLESS = GenerationRequest("one", Sampling(temperature=0.0, ignore_eos=True))


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version folder with the tiny model."""
    path = tmp_path_factory.mktemp("version")
    write_tiny_gguf(path / "model.gguf")
    return path


@pytest.fixture(scope="module")
def engine(directory: Path) -> Iterator[OpenVINOGenAIEngine]:
    """A started engine that takes two requests at a time."""
    yield from _started(directory)


@pytest.fixture
def mortal(directory: Path) -> Iterator[OpenVINOGenAIEngine]:
    """A started engine whose worker may be killed."""
    yield from _started(directory)


def greedy(prompt: str, **values: object) -> GenerationRequest:
    """A greedy request."""
    return GenerationRequest(prompt, Sampling(temperature=0.0, **values))


def sampled(prompt: str, **values: object) -> GenerationRequest:
    """A request at a temperature at which the tiny model strays from its text."""
    return GenerationRequest(prompt, Sampling(temperature=1.5, max_tokens=24, ignore_eos=True, **values))


class TestText:
    def test_recites(self, engine: OpenVINOGenAIEngine) -> None:
        """The greedy answer is the text that the model was built to say, character by character."""
        answer = run(engine, greedy("one", max_tokens=len(RECITATION.encode())))
        assert answer.text.startswith(RECITATION.replace(" é", "é").replace(" 日", "日").replace(" 🙂", "🙂"))

    def test_the_end_token_ends_the_answer(self, engine: OpenVINOGenAIEngine) -> None:
        """The end token ends an answer with "stop", counts as output and is no text."""
        last = run(engine, greedy("really?")).chunks[-1]
        assert (last.finish_reason, last.num_output_tokens) == ("stop", len(REPLY.split()) + 1)
        assert run(engine, greedy("really?")).text == REPLY

    def test_the_end_token_can_be_ignored(self, engine: OpenVINOGenAIEngine) -> None:
        """With `ignore_eos` the answer goes on to its length."""
        last = run(engine, greedy("really?", ignore_eos=True, max_tokens=12)).chunks[-1]
        assert (last.finish_reason, last.num_output_tokens) == ("length", 12)

    def test_a_stop_text_frees_the_slot(self, engine: OpenVINOGenAIEngine) -> None:
        """An answer that a stop text ended stops running also inside the pipeline."""
        answer = run(engine, greedy("one", stop=("cloud",)))
        assert answer.text == " river stoneé "
        wait_until(lambda: engine.metrics()["running"] == 0)
        assert engine.metrics()["kv_cache_usage"] == 0


class TestSampling:
    def test_without_a_seed_answers_differ(self, engine: OpenVINOGenAIEngine) -> None:
        """Each request without a seed draws its own."""
        assert len({run(engine, sampled("one")).text for _ in range(4)}) > 1

    def test_seeds_give_different_answers(self, engine: OpenVINOGenAIEngine) -> None:
        """Different seeds lead to different answers, the largest and negative ones too."""
        assert len({run(engine, sampled("one", seed=seed)).text for seed in (0, 1, -1, 2**63)}) > 1

    def test_a_seed_does_not_depend_on_the_neighbours(self, engine: OpenVINOGenAIEngine) -> None:
        """A seeded answer is the same alone and beside others."""
        alone = run(engine, sampled("one", seed=5)).text
        neighbour = start(engine, sampled("two", seed=6))
        assert run(engine, sampled("one", seed=5)).text == alone
        neighbour.wait()

    def test_top_k_of_one_is_greedy(self, engine: OpenVINOGenAIEngine) -> None:
        """`top_k` limits the choice; 0 leaves it open."""
        said = run(engine, greedy("one", max_tokens=24, ignore_eos=True)).text
        assert run(engine, sampled("one", top_k=1)).text == said
        assert run(engine, sampled("one", top_k=0, seed=3)).text != said

    def test_top_p_limits_the_choice(self, engine: OpenVINOGenAIEngine) -> None:
        """With a small `top_p` only the likeliest token is left."""
        said = run(engine, greedy("one", max_tokens=24, ignore_eos=True)).text
        assert run(engine, sampled("one", top_p=0.01)).text == said

    @pytest.mark.parametrize(
        "penalty", [{"repetition_penalty": 1e4}, {"presence_penalty": 2.0, "frequency_penalty": 2.0}]
    )
    def test_penalties_keep_it_from_repeating(self, engine: OpenVINOGenAIEngine, penalty: dict[str, float]) -> None:
        """Penalties reach the pipeline: the recitation no longer goes round."""
        plain = run(engine, greedy("one", max_tokens=120, ignore_eos=True)).text
        penalised = run(engine, greedy("one", max_tokens=120, ignore_eos=True, **penalty)).text
        assert plain.count(" river") > penalised.count(" river")

    def test_a_tiny_temperature_is_greedy(self, engine: OpenVINOGenAIEngine) -> None:
        """A temperature too small to divide by gives the greedy answer."""
        said = run(engine, greedy("one", max_tokens=8)).text
        for temperature in (1e-9, 1e-3):
            request = GenerationRequest("one", Sampling(temperature=temperature, max_tokens=8))
            assert run(engine, request).text == said


class TestNeighbours:
    def test_f32_answers_do_not_depend_on_the_batch(self, tmp_path: Path) -> None:
        """In f32 greedy and seeded answers of a model with 8-bit weights are the same alone and among others."""
        shape = LlamaShape(layers=4, hidden=256, heads=4, kv_heads=2, ffn=512, vocabulary=600, context_length=512)
        write_random_llama(tmp_path / "model.gguf", shape)
        engine = create(tiny_spec(), EngineOptions(tmp_path))
        engine.start()
        try:
            requests = [
                GenerationRequest(
                    np.arange(4 + index, 24 + 3 * index, dtype=np.int32),
                    Sampling(32, temperature=0.8 * (index % 2), seed=index, ignore_eos=True),
                )
                for index in range(10)
            ]
            alone = [run(engine, request).text for request in requests]
            together = [start(engine, request) for request in requests]
            assert len(set(alone)) > 5
            assert [(answer.wait(), answer.text)[1] for answer in together] == alone
        finally:
            engine.stop()


class TestLimits:
    def test_none_means_up_to_the_context_length(self, directory: Path) -> None:
        """Without `max_tokens` an answer fills the context exactly."""
        spec = tiny_spec()
        short = GenerateSpec(context_length=40, eos_token_ids=spec.generate.eos_token_ids)
        engine = create(replace(spec, generate=short), EngineOptions(directory))
        engine.start()
        try:
            last = run(engine, greedy("abcde", ignore_eos=True)).chunks[-1]
            assert (last.finish_reason, last.num_input_tokens, last.num_output_tokens) == ("length", 5, 35)
            assert run(engine, greedy("abcde", max_tokens=35, ignore_eos=True)).chunks[-1].num_output_tokens == 35
            with pytest.raises(InputTooLong, match="exceeds maximum allowed"):
                engine.submit(greedy("abcde", max_tokens=36), Answer())
            with pytest.raises(InputTooLong, match="exceeds maximum allowed"):
                engine.submit(greedy("a" * 40), Answer())
        finally:
            engine.stop()

    def test_a_prompt_longer_than_one_pass_is_read_in_pieces(self, engine: OpenVINOGenAIEngine) -> None:
        """A prompt of more tokens than one forward pass takes is answered like any other."""
        answer = run(engine, GenerationRequest(np.full(2000, 9, dtype=np.int32), Sampling(8, temperature=0.0)))
        assert answer.text.startswith(" river stone")
        assert answer.chunks[-1].num_input_tokens == 2000

    def test_a_gguf_files_own_tokenizer_reads_no_more_than_it_can(self, engine: OpenVINOGenAIEngine) -> None:
        """A text that the library's tokenizer would cut is refused."""
        with pytest.raises(InputTooLong, match="exceeds maximum allowed"):
            engine.submit(greedy("a " * 5000), Answer())


class TestWaiting:
    def test_more_requests_than_slots_wait(self, engine: OpenVINOGenAIEngine) -> None:
        """Requests beyond `max_num_seqs` wait their turn, are counted, and can be cancelled meanwhile."""
        running = [Answer(), Answer()]
        handles = [engine.submit(ENDLESS, answer) for answer in running]
        waiting = Answer()
        last = engine.submit(ENDLESS, waiting)
        assert all(answer.first.wait(60) for answer in running)
        wait_until(lambda: engine.metrics()["running"] == 2)
        assert engine.metrics()["waiting"] == 1
        engine.cancel(last)
        assert waiting.wait().finish_reason == "cancelled"
        assert waiting.chunks[-1].num_output_tokens == 0
        behind = start(engine, greedy("one", max_tokens=3))
        for handle in handles:
            engine.cancel(handle)
        assert behind.wait().finish_reason == "length"


class TestHealing:
    def test_a_dead_worker_is_replaced(self, mortal: OpenVINOGenAIEngine) -> None:
        """When the worker dies what is in flight fails, and a new worker answers."""
        answer = start(mortal, ENDLESS)
        assert answer.first.wait(60)
        dead = mortal.worker_pid
        os.kill(dead, signal.SIGKILL)
        assert isinstance(answer.wait().error, EngineError)
        assert answer.ends == 1
        wait_until(lambda: _takes(mortal))
        assert mortal.worker_pid not in {None, dead}

    def test_a_worker_that_keeps_dying_is_given_up(self, mortal: OpenVINOGenAIEngine) -> None:
        """After several deaths in a short time requests are told that the engine crashed."""
        for _ in range(3):
            wait_until(lambda: _takes(mortal))
            answer = start(mortal, ENDLESS)
            os.kill(mortal.worker_pid, signal.SIGKILL)
            answer.wait()
        wait_until(lambda: _refusal(mortal) is EngineCrashed)

    def test_stop_leaves_no_process(self, directory: Path) -> None:
        """`stop` ends the worker before it returns."""
        engine = create(tiny_spec(), EngineOptions(directory))
        engine.start()
        pid = engine.worker_pid
        engine.stop()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


class TestStart:
    @pytest.mark.parametrize("precision", ["f32", "bf16", "f16"])
    def test_precisions_run_or_fall_back(self, directory: Path, precision: str) -> None:
        """Every precision answers, on machines without it in f32."""
        engine = create(tiny_spec(precision=precision), EngineOptions(directory))
        engine.start()
        try:
            assert run(engine, greedy("really?")).text == REPLY
        finally:
            engine.stop()

    def test_a_folder_may_bring_openvinos_tokenizer(self, tmp_path: Path) -> None:
        """Without `tokenizer.json` the folder's `openvino_tokenizer.xml` reads and writes the text."""
        write_tiny_ir(tmp_path, tokenizer_json=False)
        engine = create(tiny_spec("openvino_model.xml"), EngineOptions(tmp_path))
        engine.start()
        try:
            assert run(engine, greedy("é really?")).text == REPLY
            assert run(engine, greedy("one", max_tokens=6)).text == " river stoneé cloud garden"
        finally:
            engine.stop()

    def test_end_tokens_may_come_from_the_models_files(self, directory: Path) -> None:
        """An entry without `eos_token_ids` takes them from the GGUF file."""
        spec = tiny_spec()
        engine = create(replace(spec, generate=GenerateSpec(context_length=512)), EngineOptions(directory))
        engine.start()
        try:
            assert run(engine, greedy("really?")).chunks[-1].finish_reason == "stop"
        finally:
            engine.stop()

    def test_needs_a_generate_section(self, directory: Path) -> None:
        """An entry of another task is refused."""
        with pytest.raises(InvalidModelEntry, match="generate"):
            create(replace(tiny_spec(), generate=None), EngineOptions(directory))


def _started(directory: Path) -> Iterator[OpenVINOGenAIEngine]:
    engine = create(tiny_spec(), EngineOptions(directory, parameters={"max_num_seqs": "2"}))
    engine.start()
    yield engine
    engine.stop()


def _refusal(engine: OpenVINOGenAIEngine) -> type[EngineError] | None:
    try:
        engine.submit(greedy("one", max_tokens=1), Answer())
    except EngineError as error:
        return type(error)
    return None


def _takes(engine: OpenVINOGenAIEngine) -> bool:
    try:
        return start(engine, greedy("really?")).wait().finish_reason == "stop"
    except EngineError:
        return False
