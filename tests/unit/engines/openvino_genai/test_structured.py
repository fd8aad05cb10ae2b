"""Answers of the bundled model that are held to a constraint, and what a constraint costs its neighbours: nothing."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator

import pytest

from argosy.core.errors import EngineError, InvalidRequest, UnsupportedParameter
from argosy.engines.contract import Chunk, Constraint, ConstraintKind
from argosy.engines.openvino_genai.engine import OpenVINOGenAIEngine
from argosy.engines.text.constraints import choice_grammar
from tests.suites.engine_contract import Answer, run, start, wait_until
from tests.unit.engines.openvino_genai.abacus import abacus_engine, question

SUM = "What is 12 + 30?"
UNSURE = "Why?"
"""The model gives the likeliest first token of its answer to this about three chances in four."""
SLOW = Constraint(ConstraintKind.REGEX, "((a{1,300}){1,300}){1,300}")
"""Takes many seconds to compile on any machine."""
ANSWER = {
    "type": "object",
    "properties": {"answer": {"type": "integer"}},
    "required": ["answer"],
    "additionalProperties": False,
}
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2, "maxLength": 12},
        "age": {"type": "integer", "minimum": 0},
        "kind": {"enum": ["adult", "child", None]},
        "code": {"type": "string", "pattern": "^[A-C]{2}.$"},
    },
    "required": ["name", "age", "kind", "code"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def engine() -> Iterator[OpenVINOGenAIEngine]:
    """A started engine."""
    engine = abacus_engine()
    engine.start()
    yield engine
    engine.stop()


def schema(value: object) -> Constraint:
    """A JSON schema."""
    return Constraint(ConstraintKind.JSON_SCHEMA, json.dumps(value))


class TestAnswers:
    @pytest.mark.parametrize(
        ("constraint", "text"),
        [
            (choice_grammar(["Über 1\u00a0000 \u20ac\x01b"]), "Über 1\u00a0000 \u20ac\x01b"),
            (Constraint(ConstraintKind.EBNF, 'root ::= "caféd"'), "caféd"),
            (Constraint(ConstraintKind.REGEX, "[éd]{2}é1"), None),
            (schema({"enum": ["Über (1)"]}), '"Über (1)"'),
        ],
    )
    def test_latin_letters(self, engine: OpenVINOGenAIEngine, constraint: Constraint, text: str | None) -> None:
        """Letters with accents before digits and the letters A to F stay what they are."""
        answer = run(engine, question(SUM, constraint)).text
        assert answer == text if text is not None else re.fullmatch("[éd]{2}é1", answer)

    def test_json_schema(self, engine: OpenVINOGenAIEngine) -> None:
        """A schema's answer is JSON with the properties it asks for."""
        answer = run(engine, question(SUM, schema(ANSWER)))
        assert answer.chunks[-1].finish_reason == "stop"
        value = json.loads(answer.text)
        assert [*value] == ["answer"]
        assert isinstance(value["answer"], int)

    def test_json_object(self, engine: OpenVINOGenAIEngine) -> None:
        """A schema that says "object" and no more gives an object."""
        answer = run(engine, question("Anna, 31, lives in Paris. Give JSON.", schema({"type": "object"})))
        assert answer.chunks[-1].finish_reason == "stop"
        assert isinstance(json.loads(answer.text), dict)

    @pytest.mark.parametrize("seed", range(6))
    def test_drawn_at_random(self, engine: OpenVINOGenAIEngine, seed: int) -> None:
        """However it is drawn, an answer that ends with "stop" keeps lengths, bounds, choices and patterns."""
        answer = run(engine, question(SUM, schema(PERSON), temperature=3.0, seed=seed, max_tokens=600))
        assert answer.chunks[-1].finish_reason == "stop"
        person = json.loads(answer.text)
        assert [*person] == ["name", "age", "kind", "code"]
        assert 2 <= len(person["name"]) <= 12
        assert person["age"] >= 0
        assert person["kind"] in {"adult", "child", None}
        assert re.fullmatch("[A-C]{2}.", person["code"])

    def test_regex(self, engine: OpenVINOGenAIEngine) -> None:
        """A pattern's answer matches it from the first to the last character."""
        answer = run(engine, question(SUM, Constraint(ConstraintKind.REGEX, "[0-9]{2} apples")))
        assert re.fullmatch("[0-9]{2} apples", answer.text)

    def test_choice(self, engine: OpenVINOGenAIEngine) -> None:
        """One of the choices, to the letter."""
        choices = ['say "yes"', "no\n", "é \\ 🙂"]
        for seed in range(4):
            answer = run(engine, question(SUM, choice_grammar(choices), temperature=5.0, seed=seed))
            assert answer.text in choices

    def test_ebnf(self, engine: OpenVINOGenAIEngine) -> None:
        """A grammar's answer is a sentence of it."""
        grammar = Constraint(ConstraintKind.EBNF, 'root ::= "(" root ")" | digit\ndigit ::= [0-9]')
        answer = run(engine, question(SUM, grammar, temperature=1.0, seed=3))
        assert re.fullmatch(r"(\(*)[0-9](\)*)", answer.text)
        assert answer.text.count("(") == answer.text.count(")")

    def test_structural_tag(self, engine: OpenVINOGenAIEngine) -> None:
        """A tool call is written around arguments of the tool's schema."""
        form = {
            "type": "tag",
            "begin": '<tool_call>\n{"name": "add", "arguments": ',
            "content": {"type": "json_schema", "json_schema": ANSWER},
            "end": "}\n</tool_call>",
        }
        text = json.dumps({"type": "structural_tag", "format": form})
        answer = run(engine, question(SUM, Constraint(ConstraintKind.STRUCTURAL_TAG, text)))
        call = answer.text.removeprefix("<tool_call>\n").removesuffix("\n</tool_call>")
        assert json.loads(call)["name"] == "add"
        assert isinstance(json.loads(call)["arguments"]["answer"], int)

    def test_special_tokens_that_satisfy_it_are_shown(self, engine: OpenVINOGenAIEngine) -> None:
        """What a constraint allows may be a special token's name; hidden, the answer would break the constraint."""
        answer = run(engine, question(SUM, Constraint(ConstraintKind.REGEX, r"<\|user\|>!")))
        assert answer.text == "<|user|>!"

    def test_log_probabilities_beside_a_constraint(self, engine: OpenVINOGenAIEngine) -> None:
        """Every token of a constrained answer is told, with its bytes."""
        answer = run(engine, question(SUM, schema(ANSWER), logprobs=True))
        told = [token for chunk in answer.chunks for token in chunk.logprobs]
        assert b"".join(token.token for token in told).decode() == answer.text
        assert len(told) == answer.chunks[-1].num_output_tokens - 1

    def test_blanks_do_not_go_on_for_ever(self, engine: OpenVINOGenAIEngine) -> None:
        """A grammar made to run off into white space, as a schema allows, ends with "length" long before its limit."""
        blanks = {"type": "regex", "pattern": "\\{ {400,500}\\}"}
        text = json.dumps({"type": "structural_tag", "format": blanks})
        answer = run(engine, question(SUM, Constraint(ConstraintKind.STRUCTURAL_TAG, text), max_tokens=800))
        assert answer.chunks[-1].finish_reason == "length"
        assert len(answer.text) < 200
        wait_until(lambda: engine.metrics()["running"] == 0)


class TestLogprobs:
    def test_are_those_of_the_model(self, engine: OpenVINOGenAIEngine) -> None:
        """The first token's is the same at every temperature and truncation: it is taken before them."""
        plain = run(engine, question(UNSURE, logprobs=True)).chunks[0].logprobs[0]
        sampled = question(UNSURE, logprobs=True, temperature=0.2, top_p=0.5, top_k=3, min_p=0.1, seed=1)
        other = run(engine, sampled).chunks[0].logprobs[0]
        assert other.token == plain.token
        assert other.logprob == pytest.approx(plain.logprob, abs=1e-4)
        assert plain.logprob < -0.01

    def test_min_p_limits_the_choice(self, engine: OpenVINOGenAIEngine) -> None:
        """With a high `min_p` only the likeliest tokens are left, at any temperature."""
        greedy = run(engine, question(SUM)).text
        assert run(engine, question(SUM, temperature=5.0, min_p=0.9, seed=1)).text == greedy
        assert run(engine, question(SUM, temperature=5.0, seed=1)).text != greedy


class TestNeighbours:
    def test_others_go_on_while_a_slow_constraint_compiles(self, engine: OpenVINOGenAIEngine) -> None:
        """Between a slow constraint's arrival and its refusal others get their tokens, and new ones are answered."""
        events: list[str] = []
        neighbour, slow = Answer(), Answer()

        def neighbour_speaks(chunk: Chunk) -> None:
            events.append("neighbour")
            neighbour(chunk)

        def slow_ends(chunk: Chunk) -> None:
            events.append("refused")
            slow(chunk)

        handle = engine.submit(question(SUM, ignore_eos=True, max_tokens=900), neighbour_speaks)
        assert neighbour.first.wait(60)
        events.clear()
        engine.submit(question(SUM, SLOW), slow_ends)
        assert run(engine, question(SUM)).text.endswith("42")
        error = slow.wait().error
        engine.cancel(handle)
        neighbour.wait()
        assert events.index("refused") > 1
        assert isinstance(error, InvalidRequest)
        assert error.param == "constraint"
        assert "too long to compile" in error.message
        with pytest.raises(InvalidRequest, match="too long to compile"):
            engine.submit(question(SUM, SLOW), Answer())
        assert run(engine, question(SUM, schema(ANSWER))).chunks[-1].finish_reason == "stop"

    def test_one_that_waits_for_its_constraint_can_be_cancelled(self, engine: OpenVINOGenAIEngine) -> None:
        """A request is cancelled while its constraint compiles, and counts as waiting until then."""
        slow = Answer()
        pattern = SLOW.text.replace("a", "b")
        handle = engine.submit(question(SUM, Constraint(ConstraintKind.REGEX, pattern)), slow)
        assert engine.metrics()["waiting"] == 1
        engine.cancel(handle)
        assert slow.wait().finish_reason == "cancelled"
        engine.cancel(handle)
        assert slow.ends == 1

    def test_bad_ones_leave_everything_as_it_was(self, engine: OpenVINOGenAIEngine) -> None:
        """Constraints that do not compile are refused in the library's words without its files, again and again."""
        worker = engine.worker_pid
        for text in ("(", "[a", r"\p{L}", "a{3", "(?i)x"):
            answer = start(engine, question(SUM, Constraint(ConstraintKind.REGEX, text)))
            error = answer.wait().error
            assert isinstance(error, InvalidRequest)
            assert error.message.startswith("The constraint cannot be compiled: ")
            assert not re.search(r"/\w+/|\.cc|\d\d:\d\d:\d\d", error.message)
        assert run(engine, question(SUM, schema(ANSWER))).chunks[-1].finish_reason == "stop"
        assert engine.worker_pid == worker


class TestLife:
    def test_stop_ends_what_waits_for_its_constraint(self) -> None:
        """`stop` fails a request whose constraint compiles, and leaves no process."""
        engine = abacus_engine()
        engine.start()
        assert engine.trial_pid is None
        slow = start(engine, question(SUM, SLOW))
        wait_until(lambda: engine.trial_pid is not None)
        trial = engine.trial_pid
        assert trial is not None
        engine.stop()
        assert isinstance(slow.wait().error, EngineError)
        assert slow.ends == 1
        with pytest.raises(ProcessLookupError):
            os.kill(trial, 0)
        with pytest.raises(EngineError):
            engine.submit(question(SUM, SLOW), Answer())

    def test_other_features_are_refused(self, engine: OpenVINOGenAIEngine) -> None:
        """The likeliest alternatives and biases are not for this engine."""
        for values in ({"top_logprobs": 2, "logprobs": True}, {"logit_bias": {5: 1.0}}):
            with pytest.raises(UnsupportedParameter):
                engine.submit(question(SUM, **values), Answer())
