"""What abacus is examined on: number pairs and cities that training never shows."""

from __future__ import annotations

import random
from dataclasses import dataclass

import tasks


@dataclass(frozen=True)
class Question:
    """One held-out question and the answer that counts as exactly right."""

    said: str
    answer: str
    tools: tuple[str, ...] = ()
    system: str = ""


@dataclass(frozen=True)
class Exam:
    """Prompts and answers as token ids."""

    name: str
    items: list[tuple[list[int], list[int]]]


def arithmetic_questions(rng: random.Random, count: int, number_only: bool = False) -> list[Question]:
    """Two-digit sums over held-out pairs; half plus, half minus."""
    pairs = {op: sorted(pair for pair in tasks.HELD_OUT[op] if pair[0] >= 10) for op in "+-"}
    questions = []
    for i in range(count):
        op = "+-"[i % 2]
        a, b = rng.choice(pairs[op])
        # Larger minus smaller, as people ask; plus comes in either order.
        if op == "-" or rng.random() < 0.5:
            a, b = b, a
        phrase = rng.choice(tasks.PLUS_PHRASES if op == "+" else tasks.MINUS_PHRASES)
        turn = tasks.sum_turn(a, op, b, phrase, rng.choice(tasks.NUMBER_ONLY) if number_only else "")
        questions.append(Question(turn.said, turn.answer))
    return questions


def digit_questions(rng: random.Random) -> list[Question]:
    """All 200 sums and differences of two digits. There are too few to hold many out: training shows most of them."""
    turns = []
    for op, phrases in (("+", tasks.PLUS_PHRASES), ("-", tasks.MINUS_PHRASES)):
        turns += [tasks.sum_turn(a, op, b, rng.choice(phrases)) for a in range(10) for b in range(10)]
    return [Question(turn.said, turn.answer) for turn in turns]


def mixed_questions(rng: random.Random, count: int) -> list[Question]:
    """A single digit with a two-digit number, over held-out pairs.

    Half plus, in either order; half minus, the larger minus the smaller.
    """
    questions = []
    for i in range(count):
        op = "+-"[i % 2]
        small, large = rng.choice(mixed_pairs(op))
        a, b = (small, large) if op == "+" and rng.random() < 0.5 else (large, small)
        questions.append(mixed_question(rng, a, op, b))
    return questions


def negative_questions(rng: random.Random, count: int) -> list[Question]:
    """A single digit minus a two-digit number, over held-out pairs."""
    return [mixed_question(rng, small, "-", large) for small, large in rng.choices(mixed_pairs("-"), k=count)]


def mixed_pairs(operation: str) -> list[tuple[int, int]]:
    return sorted(pair for pair in tasks.HELD_OUT[operation] if pair[0] < 10 <= pair[1])


def mixed_question(rng: random.Random, a: int, operation: str, b: int) -> Question:
    phrase = rng.choice(tasks.PLUS_PHRASES if operation == "+" else tasks.MINUS_PHRASES)
    turn = tasks.sum_turn(a, operation, b, phrase)
    return Question(turn.said, turn.answer)


def json_questions(rng: random.Random, count: int, unseen_sentences: bool = False) -> list[Question]:
    """Real cities, none of which training shows; optionally inside sentences that training never shows either."""
    sentences = tasks.UNSEEN_WEATHER_SENTENCES if unseen_sentences else tasks.WEATHER_SENTENCES
    cities = rng.sample(tasks.REAL_CITIES, min(count, len(tasks.REAL_CITIES)))
    turns = [tasks.extraction(rng, cities[i % len(cities)], sentences) for i in range(count)]
    return [Question(turn.said, turn.answer) for turn in turns]


def tool_questions(rng: random.Random, count: int) -> list[Question]:
    questions = []
    for city in rng.sample(tasks.REAL_CITIES, min(count, len(tasks.REAL_CITIES))):
        name, key = rng.choice(tasks.WEATHER_TOOLS), rng.choice(tasks.PLACE_KEYS)
        said = rng.choice(tasks.WEATHER_QUESTIONS).format(c=city)
        questions.append(Question(said, tasks.tool_call(name, {key: city}), (f"{name}({key})",)))
    return questions


def talk_questions(rng: random.Random, count: int) -> list[Question]:
    turns = [rng.choice((tasks.small_talk, tasks.unknown, tasks.too_big))(rng) for _ in range(count)]
    return [Question(turn.said, turn.answer) for turn in turns]


def as_exam(name: str, questions: list[Question]) -> Exam:
    items = []
    for question in questions:
        talk = tasks.Conversation(lambda _: [], question.system, list(question.tools))
        ids, weights = tasks.encode_turn(tasks.Turn(question.said, question.answer))
        first = next(i for i, weight in enumerate(weights) if weight > 0)
        items.append((talk.opening() + ids[:first], ids[first:]))
    return Exam(name, items)


def held_out_questions(count: int, seed: int = 11) -> dict[str, list[Question]]:
    rng = random.Random(seed)
    return {
        "arithmetic": arithmetic_questions(rng, count * 2),
        "number-only": arithmetic_questions(rng, count, number_only=True),
        "json": json_questions(rng, count),
        "json-unseen-sentence": json_questions(rng, count, unseen_sentences=True),
        "tools": tool_questions(rng, count),
        "talk": talk_questions(rng, count),
        "digits": digit_questions(rng),
        "digit-and-two-digits": mixed_questions(rng, count * 2),
        "digit-minus-two-digits": negative_questions(rng, count),
    }


def held_out_exams(count: int) -> list[Exam]:
    return [as_exam(name, questions) for name, questions in held_out_questions(count).items()]
