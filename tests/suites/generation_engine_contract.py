"""What every `GenerationEngine` promises."""

from __future__ import annotations

import abc
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from argosy.core.errors import ArgosyError, EngineError, InputTooLong, InvalidRequest, UnsupportedParameter
from argosy.core.tensors import Tensor
from argosy.engines import registry
from argosy.engines.contract import (
    Chunk,
    Constraint,
    ConstraintKind,
    Engine,
    Feature,
    GenerationEngine,
    GenerationRequest,
    Sampling,
)
from tests.suites.engine_life_contract import Deployment, EngineContract

_ABC = Constraint(ConstraintKind.REGEX, "[abc]{3,5}")
GENEROUS = 60.0
"""Seconds after which a bounded wait gives up; never a measure of speed."""


@dataclass
class Answer:
    """Collects the chunks of one generation; usable as its `emit`."""

    chunks: list[Chunk] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)
    first: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)

    def __call__(self, chunk: Chunk) -> None:
        self.threads.add(threading.get_ident())
        self.chunks.append(chunk)
        self.first.set()
        if chunk.last:
            self.done.set()

    def wait(self) -> Chunk:
        """The last chunk."""
        assert self.done.wait(GENEROUS), "the generation did not end"
        return self.chunks[-1]

    @property
    def text(self) -> str:
        """The whole answer so far."""
        return "".join(chunk.text for chunk in self.chunks)

    @property
    def ends(self) -> int:
        """How many chunks said that nothing follows."""
        return sum(chunk.last for chunk in self.chunks)


class GenerationEngineContract(EngineContract):
    """What a `GenerationEngine` promises."""

    exact: bool = True
    """Whether greedy text is the same alone and in a batch; false where the precision cannot promise it."""

    features: frozenset[Feature] = frozenset()
    """What the deployment can do: what the registry says of its engine, less what its files do not allow."""

    prompt: str = "one two three four five six seven eight"
    """A prompt whose greedy answer has at least four tokens and several words."""

    @abc.abstractmethod
    def too_long(self) -> Sequence[GenerationRequest]:
        """Requests that exceed the context length: by the prompt alone, and by prompt plus `max_tokens`."""

    @abc.abstractmethod
    def endless(self) -> GenerationRequest:
        """A request that runs for many seconds unless it is cancelled."""

    def invalid(self) -> Sequence[GenerationRequest]:
        """Further requests that `submit` must refuse with `InvalidRequest`."""
        return ()

    def token_ids(self) -> tuple[str, Tensor] | None:
        """A text and the same prompt as token ids; None when the engine does not read both alike."""
        return None

    def unicode_request(self) -> GenerationRequest | None:
        """A request whose answer holds characters of several UTF-8 bytes; None when that cannot be arranged."""
        return None

    def use(self, engine: Engine) -> None:
        assert isinstance(engine, GenerationEngine)
        assert run(engine, self.request()).chunks[-1].finish_reason in {"stop", "length"}

    def request(self, **sampling: object) -> GenerationRequest:
        """A short greedy request."""
        values = {"max_tokens": 8, "temperature": 0.0, **sampling}
        return GenerationRequest(self.prompt, replace(Sampling(), **values))

    def test_the_chunks_joined_are_the_answer(self, engine: GenerationEngine) -> None:
        """The texts of a generation's chunks joined are the answer, the same each time when greedy."""
        first = run(engine, self.request())
        assert first.text
        assert run(engine, self.request()).text == first.text

    def test_ends_exactly_once(self, engine: GenerationEngine) -> None:
        """Every accepted generation ends in exactly one last chunk, and nothing comes after it."""
        answers = [start(engine, self.request(max_tokens=1 + index % 5)) for index in range(12)]
        for answer in answers:
            answer.wait()
        wait_until(lambda: engine.metrics()["running"] == 0)
        assert [answer.ends for answer in answers] == [1] * 12
        assert all(answer.chunks[-1].last and answer.chunks[-1].error is None for answer in answers)

    def test_counts_tokens(self, engine: GenerationEngine) -> None:
        """Input tokens stay the same, output tokens grow to the number produced, `max_tokens` ends with "length"."""
        chunks = run(engine, self.request(max_tokens=5, ignore_eos=True)).chunks
        assert chunks[-1].finish_reason == "length"
        assert chunks[-1].num_output_tokens == 5
        assert len({chunk.num_input_tokens for chunk in chunks}) == 1
        assert chunks[0].num_input_tokens > 0
        counts = [chunk.num_output_tokens for chunk in chunks]
        assert counts == sorted(counts)

    def test_min_tokens_holds_the_end_back(self, engine: GenerationEngine) -> None:
        """At least `min_tokens` are produced."""
        chunks = run(engine, self.request(min_tokens=20, max_tokens=24)).chunks
        assert 20 <= chunks[-1].num_output_tokens <= 24

    def test_a_stop_text_ends_the_answer_and_is_not_part_of_it(self, engine: GenerationEngine) -> None:
        """The answer ends before the first stop text, with finish reason "stop"."""
        whole = run(engine, self.request()).text
        stop = whole[len(whole) // 3 : len(whole) // 3 + 3]
        answer = run(engine, self.request(stop=("never to be found", stop)))
        assert answer.text == whole[: whole.index(stop)]
        assert answer.chunks[-1].finish_reason == "stop"

    def test_a_stop_text_may_be_kept(self, engine: GenerationEngine) -> None:
        """With `include_stop` the matched stop text ends the answer."""
        whole = run(engine, self.request()).text
        stop = whole[len(whole) // 3 : len(whole) // 3 + 3]
        answer = run(engine, self.request(stop=(stop,), include_stop=True))
        assert answer.text == whole[: whole.index(stop) + len(stop)]

    def test_a_stop_text_of_which_only_the_start_appears_is_text(self, engine: GenerationEngine) -> None:
        """Text held back because a stop text might begin there is sent when the answer ends without it."""
        whole = run(engine, self.request()).text
        assert run(engine, self.request(stop=(whole[-2:] + "§",))).text == whole

    def test_no_chunk_splits_a_character(self, engine: GenerationEngine) -> None:
        """No chunk splits a UTF-8 character."""
        request = self.unicode_request()
        answer = run(engine, request or self.request())
        assert "\ufffd" not in answer.text
        assert answer.text.encode().decode() == answer.text
        if request is not None:
            assert not answer.text.isascii()

    def test_token_ids_are_a_prompt_too(self, engine: GenerationEngine) -> None:
        """A prompt given as token ids is read as it stands."""
        pair = self.token_ids()
        if pair is None:
            self.use(engine)
            return
        text, ids = pair
        by_text = run(engine, replace(self.request(), prompt=text))
        by_ids = run(engine, replace(self.request(), prompt=ids))
        assert by_ids.chunks[-1].num_input_tokens == len(ids)
        assert by_ids.text == by_text.text

    def test_a_seed_reproduces_the_answer(self, engine: GenerationEngine) -> None:
        """Two sampled answers with one seed are equal."""
        request = self.request(temperature=1.0, seed=7)
        assert run(engine, request).text == run(engine, request).text

    def test_the_batch_does_not_change_the_answer(self, engine: GenerationEngine) -> None:
        """The same greedy request gives the same answer whatever else shares the batch."""
        alone = run(engine, self.request())
        others = [start(engine, self.request(max_tokens=2 + index, seed=index, temperature=1.0)) for index in range(6)]
        together = run(engine, self.request())
        for other in others:
            other.wait()
        assert together.chunks[-1].num_input_tokens == alone.chunks[-1].num_input_tokens
        if self.exact:
            assert together.text == alone.text

    def test_log_probabilities_tell_the_answer(self, engine: GenerationEngine) -> None:
        """There is one for each token of the answer, with the bytes that it shows; none unless asked for."""
        assert not any(chunk.logprobs for chunk in run(engine, self.request()).chunks)
        if Feature.LOGPROBS not in self.features:
            return
        answer = run(engine, self.unicode_request() or self.request(), logprobs=True)
        told = [token for chunk in answer.chunks for token in chunk.logprobs]
        last = answer.chunks[-1]
        assert b"".join(token.token for token in told).startswith(answer.text.encode().rstrip("\ufffd".encode()))
        assert len(told) in {last.num_output_tokens, last.num_output_tokens - 1}
        assert all(token.logprob <= 0 for token in told)
        assert not any(token.top for token in told)

    def test_log_probabilities_leave_a_stop_text_out(self, engine: GenerationEngine) -> None:
        """Tokens of a removed stop text are not told; those before it are."""
        if Feature.LOGPROBS not in self.features:
            return
        whole = run(engine, self.request()).text
        stop = whole[len(whole) // 3 : len(whole) // 3 + 3]
        answer = run(engine, self.request(stop=(stop,)), logprobs=True)
        told = [token for chunk in answer.chunks for token in chunk.logprobs]
        assert b"".join(token.token for token in told).startswith(answer.text.encode())
        assert len(b"".join(token.token for token in told[:-1])) <= len(answer.text.encode())

    def test_the_likeliest_are_told_likeliest_first(self, engine: GenerationEngine) -> None:
        """With `top_logprobs` each token has that many alternatives, in order."""
        if Feature.TOP_LOGPROBS not in self.features:
            return
        told = [
            token
            for chunk in run(engine, self.request(), logprobs=True, top_logprobs=3).chunks
            for token in chunk.logprobs
        ]
        assert told
        for token in told:
            assert len(token.top) == 3
            assert sorted(token.top, key=lambda other: -other.logprob) == [*token.top]

    def test_what_it_cannot_do_is_refused_by_name(self, engine: GenerationEngine) -> None:
        """What `features` lack is `UnsupportedParameter` with the field of `Sampling`, and nothing is emitted."""
        asked: dict[Feature, dict[str, object]] = {
            Feature.LOGPROBS: {"logprobs": True},
            Feature.TOP_LOGPROBS: {"top_logprobs": 2},
            Feature.LOGIT_BIAS: {"logit_bias": {1: 1.0}},
            Feature.MIN_P: {"min_p": 0.1},
            Feature.CONSTRAINT: {"constraint": _ABC},
        }
        for feature in asked.keys() - self.features:
            answer = Answer()
            with pytest.raises(UnsupportedParameter) as caught:
                engine.submit(self.request(**asked[feature]), answer)
            assert caught.value.param == feature.value
            assert not answer.chunks
        self.use(engine)

    def test_an_answer_satisfies_its_constraint(self, engine: GenerationEngine) -> None:
        """An answer that ends with "stop" is what its constraint allows, alone and beside free ones."""
        if Feature.CONSTRAINT not in self.features:
            return
        free = start(engine, self.request(max_tokens=32, ignore_eos=True))
        for temperature in (0.0, 1.0):
            answer = run(engine, self.request(constraint=_ABC, max_tokens=64, temperature=temperature, seed=1))
            assert answer.chunks[-1].finish_reason == "stop"
            assert re.fullmatch(_ABC.text, answer.text)
        assert free.wait().error is None
        alone = run(engine, self.request(max_tokens=32, ignore_eos=True))
        assert not self.exact or alone.text == free.text

    def test_a_bad_constraint_costs_nobody_else(self, engine: GenerationEngine) -> None:
        """A constraint that does not compile is `InvalidRequest`, at once or as the only chunk; others go on."""
        if Feature.CONSTRAINT not in self.features:
            return
        neighbour = Answer()
        handle = engine.submit(self.endless(), neighbour)
        assert neighbour.first.wait(GENEROUS)
        for bad in (Constraint(ConstraintKind.REGEX, "(unclosed"), Constraint(ConstraintKind.JSON_SCHEMA, "{")):
            error = _refusal(engine, self.request(constraint=bad))
            assert isinstance(error, InvalidRequest)
            assert error.param == "constraint"
        said = len(neighbour.chunks)
        wait_until(lambda: len(neighbour.chunks) > said)
        engine.cancel(handle)
        assert neighbour.wait().finish_reason == "cancelled"
        self.use(engine)

    def test_refuses_input_over_the_context_length(self, engine: GenerationEngine) -> None:
        """`submit` raises `InputTooLong` with the words "exceeds maximum allowed" and emits nothing."""
        for request in self.too_long():
            answer = Answer()
            with pytest.raises(InputTooLong, match="exceeds maximum allowed"):
                engine.submit(request, answer)
            assert not answer.chunks
        self.use(engine)

    def test_refuses_an_empty_prompt(self, engine: GenerationEngine) -> None:
        """`submit` raises `InvalidRequest` for an empty prompt, as text and as tokens, and goes on serving."""
        empty = [GenerationRequest(""), GenerationRequest(np.array([], dtype=np.int32))]
        for request in (*empty, *self.invalid()):
            with pytest.raises(InvalidRequest):
                engine.submit(request, Answer())
        self.use(engine)

    def test_a_cancelled_generation_ends_and_frees_its_slot(self, engine: GenerationEngine) -> None:
        """A cancelled generation ends once with "cancelled", and its slot and cache come free."""
        answer = Answer()
        handle = engine.submit(self.endless(), answer)
        assert answer.first.wait(GENEROUS)
        assert engine.metrics()["running"] >= 1
        engine.cancel(handle)
        assert answer.wait().finish_reason == "cancelled"
        wait_until(lambda: engine.metrics()["running"] == 0)
        engine.cancel(handle)
        self.use(engine)
        assert answer.ends == 1

    def test_a_generation_may_be_cancelled_at_once(self, engine: GenerationEngine) -> None:
        """Cancelling before the first token, and many at a time, ends each exactly once."""
        answers = [Answer() for _ in range(16)]
        handles = [engine.submit(self.endless(), answer) for answer in answers]
        for handle in handles:
            engine.cancel(handle)
        assert {answer.wait().finish_reason for answer in answers} == {"cancelled"}
        wait_until(lambda: engine.metrics()["running"] + engine.metrics()["waiting"] == 0)
        assert [answer.ends for answer in answers] == [1] * 16

    def test_unknown_handles_are_ignored(self, engine: GenerationEngine) -> None:
        """Cancelling what is not there does nothing."""
        engine.cancel(-1)
        engine.cancel(1 << 40)
        self.use(engine)

    def test_takes_requests_from_any_thread(self, engine: GenerationEngine) -> None:
        """`submit` and `cancel` may come from any thread; all chunks come from the engine's own."""
        answers = [Answer() for _ in range(8)]
        submitters = [
            threading.Thread(target=engine.submit, args=(self.request(max_tokens=4), answer)) for answer in answers
        ]
        for thread in submitters:
            thread.start()
        for thread in submitters:
            thread.join(GENEROUS)
        for answer in answers:
            assert answer.wait().error is None
        assert len(set[int]().union(*(answer.threads for answer in answers))) == 1
        assert threading.get_ident() not in answers[0].threads

    def test_stop_ends_what_is_in_flight(self, sound: Deployment) -> None:
        """Whatever was accepted ends exactly once also when the engine stops, and nothing is accepted afterwards."""
        engine = registry.create(sound.spec, sound.options)
        assert isinstance(engine, GenerationEngine)
        engine.start()
        answers = [start(engine, self.endless()) for _ in range(4)]
        assert answers[0].first.wait(GENEROUS)
        engine.stop()
        for answer in answers:
            last = answer.wait()
            assert isinstance(last.error, EngineError) or last.finish_reason == "cancelled"
        assert [answer.ends for answer in answers] == [1] * 4
        with pytest.raises(EngineError):
            engine.submit(self.request(), Answer())

    def test_reports_what_runs(self, engine: GenerationEngine) -> None:
        """`metrics` has at least `running`, `waiting` and `kv_cache_usage` from 0 to 1, and they return to rest."""
        answer = start(engine, self.endless())
        assert answer.first.wait(GENEROUS)
        metrics = engine.metrics()
        assert metrics["running"] == 1
        assert metrics["waiting"] == 0
        assert 0 < metrics["kv_cache_usage"] <= 1
        engine.stop()
        answer.wait()


def start(engine: GenerationEngine, request: GenerationRequest) -> Answer:
    """Submit, and collect in the background."""
    answer = Answer()
    engine.submit(request, answer)
    return answer


def run(engine: GenerationEngine, request: GenerationRequest, **sampling: object) -> Answer:
    """Submit, with `sampling` changed, and wait for a good end."""
    if sampling:
        request = replace(request, sampling=replace(request.sampling, **sampling))
    answer = start(engine, request)
    last = answer.wait()
    assert last.error is None, last.error
    return answer


def _refusal(engine: GenerationEngine, request: GenerationRequest) -> ArgosyError | None:
    answer = Answer()
    try:
        engine.submit(request, answer)
    except ArgosyError as error:
        assert not answer.chunks
        return error
    last = answer.wait()
    assert len(answer.chunks) == 1
    return last.error


def wait_until(condition: Callable[[], bool]) -> None:
    """Poll until the condition holds; fail when it does not within a generous time."""
    limit = time.monotonic() + GENEROUS
    while not condition():
        assert time.monotonic() < limit, "the condition did not come true"
        time.sleep(0.005)
