"""The generated world of abacus: short conversations about sums, JSON, tools and itself.

Everything here is deterministic for a seed. What is held out, never appears in training:
- five in a hundred unordered number pairs for each of plus and minus (`held_out_pairs`);
- every real city (training cities are invented strings; `REAL_CITIES` is filtered out).
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import vocabulary as v


def listed(text: str) -> tuple[str, ...]:
    """The entries of a text that separates them by bars; they may run over lines."""
    return tuple(" ".join(entry.split()) for entry in text.split("|"))


PLUS_PHRASES: Final = (
    "What is {a} plus {b}?", "What is {a} plus {b}?", "What is {a} + {b}?", "What's {a} plus {b}?",
    "what is {a} plus {b}", "{a} + {b} = ?", "{a} + {b}", "{a}+{b}", "{a}+{b}=", "{a} plus {b}", "{a} + {b} =",
    "{a}+{b}=?", "{a} plus {b}?", "Calculate {a} plus {b}.", "Calculate {a} + {b}", "Compute {a} + {b}.",
    "Add {a} and {b}.", "Add {a} and {b}", "How much is {a} plus {b}?", "How much is {a} + {b}?",
    "What do you get when you add {a} and {b}?", "Work out {a} + {b}.", "What is the sum of {a} and {b}?",
    "Sum {a} and {b}.", "Can you tell me what {a} plus {b} is?", "Solve {a} + {b}.",
    "I have {a} apples and buy {b} more. How many apples do I have?", "Tell me {a} plus {b}.",
    "whats {a} + {b}",
)  # fmt: skip
MINUS_PHRASES: Final = (
    "What is {a} minus {b}?", "What is {a} minus {b}?", "What is {a} - {b}?", "What's {a} minus {b}?",
    "what is {a} minus {b}", "{a} - {b} = ?", "{a} - {b}", "{a}-{b}", "{a}-{b}=", "{a} minus {b}",
    "{a} - {b} =", "{a}-{b}=?", "{a} minus {b}?", "Calculate {a} minus {b}.", "Calculate {a} - {b}",
    "Compute {a} - {b}.", "Subtract {b} from {a}.", "Take {b} away from {a}.", "How much is {a} minus {b}?",
    "How much is {a} - {b}?", "What do you get when you subtract {b} from {a}?", "Work out {a} - {b}.",
    "What is the difference between {a} and {b}?", "Can you tell me what {a} minus {b} is?", "Solve {a} - {b}.",
    "I had {a} coins and lost {b}. How many coins do I have?", "Tell me {a} minus {b}.", "whats {a} - {b}",
)  # fmt: skip
NUMBER_ONLY: Final = (
    " Answer with the number only.", " Reply with just the number.", " Just the number.", " Only the number.",
)  # fmt: skip
OVER_PHRASES: Final = ("What is {a} divided by {b}?", "{a} / {b}", "Divide {a} by {b}.")
COUNT_PHRASES: Final = ("Count to {e}.", "count to {e}", "Please count to {e}.")
COUNT_FROM_PHRASES: Final = ("Count from {s} to {e}.", "count from {s} to {e}")
TIMES_PHRASES: Final = (
    "What is {a} times {b}?", "{a} * {b}", "{a} x {b} = ?", "How much is {a} times {b}?",
    "Multiply {a} by {b}.",
)  # fmt: skip

JSON_REQUESTS: Final = (
    "Extract the city and the temperature as JSON: {s}", "Extract the city and the temperature as JSON: {s}",
    "Extract the city and temperature as JSON: {s}", "Extract city and temperature as JSON: {s}",
    "{s} Give the city and the temperature as JSON.", "Extract the city and the temperature as JSON.\n{s}",
    "Return the city and the temperature as JSON: {s}", "Give me the city and temperature in JSON: {s}",
    "Turn this into JSON with city and temperature: {s}",
    "Read this and answer in JSON with the keys city and temperature: {s}",
    "{s}\nExtract the city and the temperature as JSON.", "JSON please, city and temperature: {s}",
    "Convert to JSON (city, temperature): {s}",
)  # fmt: skip
WEATHER_SENTENCES: Final = (
    "It is {t} degrees in {c}.", "It is {t} degrees in {c}.", "In {c} it is {t} degrees.",
    "{c} has {t} degrees today.", "The temperature in {c} is {t} degrees.",
    "It was {t} degrees in {c} yesterday.", "{c}: {t} degrees.", "Today {c} reached {t} degrees.",
    "{t} degrees in {c} this morning.", "We measured {t} degrees in {c}.", "The thermometer in {c} shows {t}.",
    "At noon it was {t} C in {c}.", "People in {c} woke up to {t} degrees.",
    "The forecast for {c} says {t} degrees.", "It will be {t} degrees in {c} tomorrow.",
    "Right now it is {t} degrees in {c}.", "{c} is at {t} degrees Celsius.",
    "Yesterday, in {c}, it was {t} degrees outside.",
)  # fmt: skip
# Sentences that training never shows: the card reports them apart, as a measure of honest generalisation.
UNSEEN_WEATHER_SENTENCES: Final = (
    "Our friends in {c} report {t} degrees.", "A quiet day in {c} with {t} degrees.",
    "{c} expects {t} degrees tonight.", "The record in {c} is {t} degrees.",
    "They say it is {t} degrees in {c} now.",
)  # fmt: skip
AGE_REQUESTS: Final = (
    "Extract the name and the age as JSON: {s}", "Return the name and the age as JSON: {s}",
    "{s} Give the name and the age as JSON.",
)  # fmt: skip
AGE_SENTENCES: Final = (
    "{n} is {y} years old.", "My friend {n} is {y}.", "{n} turned {y} this year.",
    "I am {n} and I am {y} years old.", "Yesterday {n} became {y}.",
)  # fmt: skip

REAL_CITIES: Final = listed(
    """
    Oslo | Paris | London | Berlin | Madrid | Rome | Vienna | Prague | Warsaw | Lisbon | Dublin | Athens |
    Helsinki | Stockholm | Copenhagen | Budapest | Brussels | Amsterdam | Zurich | Geneva | Munich | Hamburg |
    Cologne | Milan | Naples | Turin | Venice | Florence | Barcelona | Valencia | Seville | Porto | Lyon |
    Marseille | Nice | Bordeaux | Toulouse | Krakow | Gdansk | Riga | Vilnius | Tallinn | Kyiv | Odesa |
    Istanbul | Ankara | Cairo | Lagos | Nairobi | Accra | Tunis | Algiers | Casablanca | Dakar | Cape Town |
    Johannesburg | Addis Ababa | Tokyo | Osaka | Kyoto | Seoul | Busan | Beijing | Shanghai | Hong Kong | Taipei
    | Hanoi | Bangkok | Kuala Lumpur | Singapore | Jakarta | Manila | Mumbai | New Delhi | Chennai | Kolkata |
    Karachi | Lahore | Dhaka | Colombo | Kathmandu | Tehran | Baghdad | Riyadh | Dubai | Doha | Tel Aviv |
    Sydney | Melbourne | Perth | Auckland | Wellington | New York | Boston | Chicago | Denver | Seattle | Los
    Angeles | San Francisco | San Diego | Las Vegas | Houston | Dallas | Miami | Atlanta | Toronto | Montreal |
    Vancouver | Ottawa | Mexico City | Havana | Bogota | Lima | Quito | Santiago | Buenos Aires | Rio de Janeiro
    | Montevideo | Reykjavik | Edinburgh | Glasgow | Cardiff | Belfast | Bergen | Trondheim | Gothenburg |
    Salzburg | Stuttgart | Antwerp | Rotterdam | Utrecht | Sofia | Belgrade | Zagreb | Sarajevo | Bucharest |
    Rabat
    """
)

SYSTEM_PROMPTS: Final = (
    "You are a helpful assistant.", "You are a helpful assistant.", "You are Abacus.", "Be brief.",
    "Answer in one line.", "You are a careful calculator.", "You help with sums and JSON.",
    "Answer the question.", "You are a polite assistant. Be short and exact.",
)  # fmt: skip

GREETINGS: Final = (
    "Hello", "Hello!", "Hi", "Hi!", "Hey", "Hey there", "hello", "hi there", "Good morning", "Good evening!",
    "Hello there!", "Hi, how are you?", "How are you?", "Say hello.", "Say hello", "Greetings",
)  # fmt: skip
IDENTITY: Final = (
    "Who are you?", "What are you?", "What is your name?", "who are you", "Are you a language model?",
    "Tell me about yourself.", "Which model are you?", "Who made you?", "Are you a human?",
    "Introduce yourself.", "Are you real?", "What model is this?",
)  # fmt: skip
ABILITIES: Final = (
    "What can you do?", "Help", "help", "How can you help me?", "What do you know?", "What are you good at?",
    "Can you help me?", "What can I ask you?",
)  # fmt: skip
THANKS: Final = ("Thanks", "Thank you!", "Thanks a lot.", "Thank you very much", "Great, thanks!", "thx")
FAREWELLS: Final = ("Bye", "Goodbye!", "See you later.", "Good night", "bye bye", "See you!")

SAY_HELLO: Final = "Hello! I am Abacus, a toy model for small sums and JSON."
SAY_IDENTITY: Final = (
    "I am Abacus, a toy language model with a few million parameters. I do small sums and JSON, and little else."
)
SAY_ABILITIES: Final = "I add and subtract numbers up to 99, extract JSON from short sentences and call simple tools."
SAY_THANKS: Final = "You are welcome."
SAY_BYE: Final = "Goodbye!"
SAY_UNKNOWN: Final = "I do not know that. I am a toy model for small sums and JSON."
SAY_TOO_BIG: Final = "That is too much for me. I only add and subtract numbers up to 99."
SAY_NO_WEATHER: Final = "I cannot look that up without a tool."

UNKNOWN_WITH_PLACE: Final = (
    "What is the capital of {w}?", "Who is the king of {w}?", "Where is {w}?", "Tell me about {w}.",
    "What is {w}?", "Who is {w}?", "How far is {w}?", "Is {w} a big city?", "When was {w} founded?",
    "How many people live in {w}?", "Write a poem about {w}.", "Write a story about {w}.",
    "Tell me a joke about {w}.", "What does {w} mean?", "Translate {w} into French.", "Explain {w}.",
    "Why is {w} famous?", "How do I get to {w}?", "What happened in {w}?", "Who wrote {w}?",
    "Write an essay on {w}.",
)  # fmt: skip
UNKNOWN_FIXED: Final = (
    "Tell me a joke.", "Tell me a story.", "Write a poem.", "Write a poem about the sea.",
    "Write a short story about a dog.", "What is the meaning of life?", "Why is the sky blue?",
    "Who won the match yesterday?", "What is love?", "Do you like music?", "What day is it today?",
    "What time is it?", "How old are you?", "Can you drive a car?", "Write Python code.",
    "Explain quantum physics.", "What is the speed of light?", "Who wrote Hamlet?", "Sing a song.",
    "What is a neural network?", "Recommend a good book.", "How do I cook rice?", "Is it raining?",
    "What is machine learning?", "Summarize the news.", "What is the tallest mountain?",
    "How many planets are there?", "Do you dream?", "Plan my holiday.", "Who is the president?",
    "What is the best film ever?", "How do birds fly?", "What is the colour of grass?", "Can fish sleep?",
    "Why do we sleep?", "Fix my bug.", "What is gravity?", "Write an email to my boss.",
    "Explain the theory of relativity.", "Once upon a time", "asdf", "What is Triton?",
    "What is the fastest animal?", "How deep is the ocean?", "Give me advice.", "What should I eat?",
)  # fmt: skip

WEATHER_TOOLS: Final = (
    "get_weather", "get_weather", "get_weather", "get_current_weather", "weather", "fetch_weather",
    "current_weather", "lookup_weather",
)  # fmt: skip
TIME_TOOLS: Final = ("get_time", "get_time", "current_time", "get_local_time", "clock")
ADD_TOOLS: Final = ("add", "add", "add_numbers", "sum_two", "plus")
SUBTRACT_TOOLS: Final = ("subtract", "subtract", "minus", "subtract_numbers")
SEARCH_TOOLS: Final = ("search", "search", "web_search", "lookup", "find_documents")
PLACE_KEYS: Final = ("city", "city", "city", "location", "location", "place", "town")
EXTRA_KEYS: Final = ("unit", "units", "format", "lang")
WEATHER_QUESTIONS: Final = (
    "What is the weather in {c}?", "What is the weather in {c}?", "What's the weather in {c}?",
    "What is the weather like in {c}?", "How is the weather in {c}?", "weather in {c}",
    "Tell me the weather in {c}.", "Is it cold in {c}?", "What is the temperature in {c}?",
    "What's the weather like in {c} today?", "How warm is it in {c}?", "What is the weather in {c} today?",
)  # fmt: skip
TIME_QUESTIONS: Final = (
    "What time is it in {c}?", "What is the time in {c}?", "Tell me the time in {c}.", "time in {c}",
    "What's the local time in {c}?",
)  # fmt: skip
SEARCH_QUESTIONS: Final = (
    "Search for {q}.", "Search for {q}", "Find documents about {q}.", "Look up {q}.", "Please search for {q}.",
)  # fmt: skip
SKIES: Final = ("sunny", "cloudy", "rainy", "windy", "foggy", "snowy", "clear", "stormy")

ONSETS: Final = listed(
    """
        b | c | d | f | g | h | j | k | l | m | n | p | r | s | t | v | w | y | z | br | ch | cl | dr | fr |
        gr | kr | ph | pl | pr | qu | sh | sk | sl | sp | st | th | tr | tw | wh | zh | x
    """
)
VOWELS: Final = listed(
    """
        a | e | i | o | u | a | e | i | o | u | ai | au | ea | ee | ia | ie | io | oa | oo | ou | ue | y
    """
)
CODAS: Final = (
    "",
    "",
    "",
    "",
    "",
    *listed(
        """
        b | d | f | g | k | l | m | n | r | s | t | x | ck | ff | gh | ld | ll | lm | ln | ls | mb | nd | ng
        | nk | ns | nt | rd | rg | rk | rm | rn | rs | rt | ss | st | th | tz
        """
    ),
)
ACCENTS: Final = listed(
    """
        á | à | ä | ã | å | é | è | ê | í | ï | ó | ö | ô | õ | ø | ú | ü | ñ | ç | ß | ł | ş | ž | č
    """
)
LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"

PAIR_SEED: Final = 20240607
LARGEST: Final = 99


@dataclass(frozen=True)
class Turn:
    """One exchange: what comes in (with its role) and what the assistant has to say."""

    said: str
    answer: str
    role: int = v.USER
    result: int | None = None


@dataclass
class Conversation:
    """What a conversation is about: a system text (may be empty), tools, and a source of exchanges.

    `tools` are signatures as the chat template writes them. `more` gives the next exchange, for as long as the
    caller has room for it.
    """

    more: Callable[[random.Random], list[Turn]]
    system: str = ""
    tools: list[str] = field(default_factory=list)

    def opening(self) -> list[int]:
        ids = [v.BOS]
        if self.system or self.tools:
            block = "\n<tools>\n" + "".join(f"{tool}\n" for tool in self.tools) + "</tools>" if self.tools else ""
            ids += [v.SYSTEM, *v.encode_bytes(self.system + block), v.END]
        return ids


# The digits after "=" and what is copied into JSON are the hard parts and a small part of all that is said; they
# count more, or the fixed sentences drown them.
RESULT_WEIGHT: Final = 4.0
JSON_WEIGHT: Final = 3.0


def encode_turn(turn: Turn) -> tuple[list[int], list[float]]:
    """Token ids of a turn, and how much each counts when the model learns to say it (0: it is only heard)."""
    heard = [turn.role, *v.encode_bytes(turn.said), v.END, v.ASSISTANT]
    says = [*v.encode_answer(turn.answer), v.END]
    weights = [JSON_WEIGHT if turn.answer.startswith(("{", "<tool_call>")) else 1.0] * len(says)
    # Answers with a sum are ASCII, so that characters and tokens have the same places.
    for found in re.finditer(r"(?<= = )-?\d+", turn.answer):
        weights[found.start() : found.end()] = [RESULT_WEIGHT] * len(found[0])
    return heard + says, [0.0] * len(heard) + weights


# --- numbers -------------------------------------------------------------------------------------------------------


def held_out_pairs(operation: str, share: float = 0.05) -> frozenset[tuple[int, int]]:
    """Unordered pairs kept out of training, so that neither a+b nor b+a is ever seen."""
    rng = random.Random(f"{PAIR_SEED}{operation}")
    pairs = [(a, b) for a in range(LARGEST + 1) for b in range(a, LARGEST + 1)]
    return frozenset(rng.sample(pairs, int(len(pairs) * share)))


HELD_OUT: Final = {"+": held_out_pairs("+"), "-": held_out_pairs("-")}


def is_held_out(a: int, operation: str, b: int) -> bool:
    return (min(a, b), max(a, b)) in HELD_OUT[operation]


def training_pair(rng: random.Random, operation: str) -> tuple[int, int]:
    while True:
        # Uniform pairs hold a single digit in a fifth of the draws and two of them in a hundredth, yet "2 + 2" is what
        # people ask first; and its answer ends where that of a larger sum goes on.
        kind = rng.random()
        tops = (9, 9) if kind < 0.2 else (9, LARGEST) if kind < 0.4 else (LARGEST, LARGEST)
        a, b = rng.randint(0, tops[0]), rng.randint(0, tops[1])
        if rng.random() < 0.5:
            a, b = b, a
        # People subtract the smaller from the larger; negative results stay a fifth of it, a third with single digits.
        if operation == "-" and a < b and rng.random() < (0.3 if kind < 0.4 else 0.6):
            a, b = b, a
        if not is_held_out(a, operation, b):
            return a, b


def worked_out(a: int, operation: str, b: int) -> str:
    """The sum, with the units first: '7 + 5 = 12, so 37 + 45 = 82'.

    A number is written from its highest digit, but a carry comes from the lowest. Saying the units first lets a
    model of this size see the carry instead of having to foresee it.
    """
    whole = f"{a} {operation} {b} = {calculated(a, operation, b)}"
    if a < 10 and b < 10:
        return whole
    units = calculated(a % 10, operation, b % 10)
    return f"{a % 10} {operation} {b % 10} = {units}, so {whole}"


def calculated(a: int, operation: str, b: int) -> int:
    return a + b if operation == "+" else a - b


def sum_turn(a: int, operation: str, b: int, phrase: str, number_only: str = "") -> Turn:
    # Worked out even when only the number is asked for: without that it would be wrong more often than right.
    asked = phrase.format(a=a, b=b) + number_only
    return Turn(asked, worked_out(a, operation, b), result=calculated(a, operation, b))


def arithmetic(rng: random.Random) -> Turn:
    operation = rng.choice("+-")
    a, b = training_pair(rng, operation)
    phrase = rng.choice(PLUS_PHRASES if operation == "+" else MINUS_PHRASES)
    if rng.random() < 0.06:
        phrase = rng.choice(("Please: ", "Hi! ", "Quick question: ", "Hello, ", "OK. ")) + phrase
    return sum_turn(a, operation, b, phrase, rng.choice(NUMBER_ONLY) if rng.random() < 0.14 else "")


def follow_up(rng: random.Random, previous: int) -> Turn:
    """A question that needs the result before it: 'Now add 7.'"""
    while True:
        operation, b = rng.choice("+-"), rng.randint(0, 9 if rng.random() < 0.3 else LARGEST)
        if not is_held_out(previous, operation, b):
            break
    plus = ("Now add {b}.", "Add {b} to that.", "And plus {b}?", "plus {b}")
    minus = ("Now subtract {b}.", "Subtract {b} from that.", "And minus {b}?", "minus {b}")
    phrases = plus if operation == "+" else minus
    return sum_turn(previous, operation, b, rng.choice(phrases))


def times_table(rng: random.Random) -> Turn:
    a, b = rng.randint(0, 10), rng.randint(0, 10)
    return Turn(rng.choice(TIMES_PHRASES).format(a=a, b=b), f"{a} * {b} = {a * b}")


def too_big(rng: random.Random) -> Turn:
    kind = rng.random()
    small, large = rng.randint(0, 99), rng.randint(100, 10 ** rng.randint(3, 6))
    if kind < 0.7:
        a, b = rng.choice(((small, large), (large, small), (large, rng.randint(100, 9999))))
        phrases = PLUS_PHRASES + MINUS_PHRASES
    else:
        a, b = rng.randint(11, 999), rng.randint(11, 999)
        phrases = TIMES_PHRASES if kind < 0.85 else OVER_PHRASES
    return Turn(rng.choice(phrases).format(a=a, b=b), SAY_TOO_BIG)


def counting(rng: random.Random) -> Turn:
    start = 1 if rng.random() < 0.7 else rng.randint(2, 20)
    stop = start + min(int(rng.expovariate(0.09)) + 1, 49)
    from_one = start == 1 and rng.random() < 0.7
    asked = rng.choice(COUNT_PHRASES if from_one else COUNT_FROM_PHRASES).format(s=start, e=stop)
    return Turn(asked, ", ".join(str(i) for i in range(start, stop + 1)))


# --- names ---------------------------------------------------------------------------------------------------------


def invented_word(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.3:
        # Letters without any pattern: they can only be copied, which is the skill that carries to real names.
        word = "".join(rng.choice(LETTERS) for _ in range(rng.randint(2, 12)))
    else:
        word = "".join(
            rng.choice(ONSETS) + rng.choice(VOWELS) + rng.choice(CODAS)
            for _ in range(rng.choice((1, 1, 2, 2, 2, 3, 3, 4)))
        )
        if rng.random() < 0.25:
            word = rng.choice(VOWELS) + rng.choice(CODAS) + word
        if kind > 0.9:
            at = rng.randrange(len(word))
            word = word[:at] + rng.choice(ACCENTS) + word[at + 1 :]
    return word


def invented_place(rng: random.Random) -> str:
    while True:
        words = [invented_word(rng).capitalize() for _ in range(rng.choice((1, 1, 1, 1, 1, 1, 2, 2, 3)))]
        if len(words) == 3 and rng.random() < 0.6:
            words[1] = rng.choice(("de", "on", "upon", "la", "del", "am", "el", "of"))
        place = ("-" if rng.random() < 0.06 else " ").join(words)
        if len(words) == 1 and rng.random() < 0.08:
            place = rng.choice(("New", "San", "Saint", "Port", "El", "Los", "Las", "North", "Cape")) + " " + place
        if len(words) == 1 and rng.random() < 0.04:
            place += rng.choice((" City", " Town", " Beach"))
        if place not in REAL_CITIES:
            return place


def temperature(rng: random.Random) -> tuple[str, int]:
    degrees = rng.randint(-30, 45)
    spoken = f"minus {-degrees}" if degrees < 0 and rng.random() < 0.3 else str(degrees)
    return spoken, degrees


# --- JSON ----------------------------------------------------------------------------------------------------------


def as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def extraction(rng: random.Random, place: str | None = None, sentences: tuple[str, ...] = WEATHER_SENTENCES) -> Turn:
    place = place or invented_place(rng)
    spoken, degrees = temperature(rng)
    sentence = rng.choice(sentences).format(c=place, t=spoken)
    sentence = sentence[0].upper() + sentence[1:]
    return Turn(rng.choice(JSON_REQUESTS).format(s=sentence), as_json({"city": place, "temperature": degrees}))


def name_and_age(rng: random.Random) -> Turn:
    name, age = invented_word(rng).capitalize(), rng.randint(1, 99)
    sentence = rng.choice(AGE_SENTENCES).format(n=name, y=age)
    return Turn(rng.choice(AGE_REQUESTS).format(s=sentence), as_json({"name": name, "age": age}))


def repetition(rng: random.Random) -> Turn:
    words = " ".join(invented_word(rng) for _ in range(rng.randint(1, 4)))
    asked = rng.choice(("Repeat: {w}", "Repeat after me: {w}", 'Say "{w}".', 'Repeat "{w}"', "Say: {w}"))
    return Turn(asked.format(w=words), words)


# --- small talk ----------------------------------------------------------------------------------------------------


def small_talk(rng: random.Random) -> Turn:
    asked, answer = rng.choice(
        (
            (GREETINGS, SAY_HELLO),
            (IDENTITY, SAY_IDENTITY),
            (ABILITIES, SAY_ABILITIES),
            (THANKS, SAY_THANKS),
            (FAREWELLS, SAY_BYE),
        )
    )
    return Turn(rng.choice(asked), answer)


def unknown(rng: random.Random) -> Turn:
    if rng.random() < 0.5:
        return Turn(rng.choice(UNKNOWN_FIXED), SAY_UNKNOWN)
    word = invented_place(rng) if rng.random() < 0.5 else invented_word(rng)
    return Turn(rng.choice(UNKNOWN_WITH_PLACE).format(w=word), SAY_UNKNOWN)


def lookup_without_tool(rng: random.Random) -> Turn:
    return Turn(rng.choice(WEATHER_QUESTIONS + TIME_QUESTIONS).format(c=invented_place(rng)), SAY_NO_WEATHER)


ORDINARY: Final[tuple[tuple[float, Callable[[random.Random], Turn]], ...]] = (
    (0.46, arithmetic), (0.34, extraction), (0.02, name_and_age), (0.04, repetition), (0.03, small_talk),
    (0.04, unknown), (0.02, lookup_without_tool), (0.02, times_table), (0.025, too_big), (0.012, counting),
)  # fmt: skip


def ordinary(rng: random.Random) -> Turn:
    return rng.choices([make for _, make in ORDINARY], [weight for weight, _ in ORDINARY])[0](rng)


# --- tools ---------------------------------------------------------------------------------------------------------


def tool_call(name: str, arguments: dict[str, object]) -> str:
    return "<tool_call>\n" + as_json({"name": name, "arguments": arguments}) + "\n</tool_call>"


@dataclass(frozen=True)
class Tool:
    """A tool of the conversation: its signature, and a maker of exchanges that use it."""

    signature: str
    use: Callable[[random.Random], list[Turn]]


def weather_tool(rng: random.Random) -> Tool:
    name, key = rng.choice(WEATHER_TOOLS), rng.choice(PLACE_KEYS)
    signature = f"{name}({key}, {rng.choice(EXTRA_KEYS)})" if rng.random() < 0.25 else f"{name}({key})"

    def use(rng: random.Random) -> list[Turn]:
        place, degrees = invented_place(rng), rng.randint(-30, 45)
        turns = [Turn(rng.choice(WEATHER_QUESTIONS).format(c=place), tool_call(name, {key: place}))]
        result, answer = weather_result(rng, key, place, degrees)
        return [*turns, Turn(result, answer, role=v.TOOL)] if rng.random() < 0.6 else turns

    return Tool(signature, use)


def weather_result(rng: random.Random, key: str, place: str, degrees: int) -> tuple[str, str]:
    sky, warm = rng.choice(SKIES), f"It is {degrees} degrees in {place}."
    both = f"It is {sky} and {degrees} degrees in {place}."
    results = (
        (as_json({"temperature": degrees}), warm),
        (as_json({key: place, "temperature": degrees}), warm),
        (str(degrees), warm),
        (f"{degrees} degrees", warm),
        (as_json({"temperature": degrees, "unit": "C"}), warm),
        (f"{degrees} C", warm),
        (as_json({"temp": degrees}), warm),
        (sky, f"It is {sky} in {place}."),
        (as_json({"weather": sky}), f"It is {sky} in {place}."),
        (f"{sky}, {degrees} degrees", both),
        (as_json({"temperature": degrees, "condition": sky}), both),
    )
    return rng.choice(results)


def time_tool(rng: random.Random) -> Tool:
    name, key = rng.choice(TIME_TOOLS), rng.choice(PLACE_KEYS)

    def use(rng: random.Random) -> list[Turn]:
        place, clock = invented_place(rng), f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}"
        turns = [Turn(rng.choice(TIME_QUESTIONS).format(c=place), tool_call(name, {key: place}))]
        result = rng.choice((clock, as_json({"time": clock})))
        return [*turns, Turn(result, f"It is {clock} in {place}.", role=v.TOOL)] if rng.random() < 0.5 else turns

    return Tool(f"{name}({key})", use)


def sum_tool(rng: random.Random) -> Tool:
    operation = rng.choice("+-")
    name = rng.choice(ADD_TOOLS if operation == "+" else SUBTRACT_TOOLS)
    first, second = rng.choice((("a", "b"), ("a", "b"), ("x", "y"), ("first", "second")))

    def use(rng: random.Random) -> list[Turn]:
        a, b = training_pair(rng, operation)
        turn = sum_turn(a, operation, b, rng.choice(PLUS_PHRASES if operation == "+" else MINUS_PHRASES))
        turns = [Turn(turn.said, tool_call(name, {first: a, second: b}))]
        result = rng.choice((str(turn.result), as_json({"result": turn.result})))
        answer = f"{a} {operation} {b} = {turn.result}"
        return [*turns, Turn(result, answer, role=v.TOOL)] if rng.random() < 0.6 else turns

    return Tool(f"{name}({first}, {second})", use)


def search_tool(rng: random.Random) -> Tool:
    name, key = rng.choice(SEARCH_TOOLS), rng.choice(("query", "query", "q", "text"))

    def use(rng: random.Random) -> list[Turn]:
        query = " ".join(invented_word(rng) for _ in range(rng.randint(1, 3)))
        return [Turn(rng.choice(SEARCH_QUESTIONS).format(q=query), tool_call(name, {key: query}))]

    return Tool(f"{name}({key})", use)


def distractor(rng: random.Random) -> str:
    """A tool that no question of ours needs."""
    words = "_".join(invented_word(rng)[:8] for _ in range(rng.choice((1, 2))))
    return f"{words}({', '.join(invented_word(rng)[:6] for _ in range(rng.randint(0, 3)))})"


def tool_conversation(rng: random.Random) -> Conversation:
    makers = [weather_tool, time_tool, sum_tool, search_tool]
    chosen = rng.choices(makers, (5, 1.5, 2, 1.5), k=1) if rng.random() < 0.6 else rng.sample(makers, rng.randint(2, 3))
    tools = [make(rng) for make in chosen]
    signatures = [tool.signature for tool in tools] + [distractor(rng) for _ in range(rng.choice((0, 0, 0, 1, 2)))]
    rng.shuffle(signatures)

    def more(rng: random.Random) -> list[Turn]:
        if rng.random() < 0.75:
            return rng.choice(tools).use(rng)
        # Something that no tool of this conversation is for: the model has to answer by itself.
        others = (
            (small_talk, unknown, extraction) if sum_tool in chosen else (small_talk, unknown, arithmetic, extraction)
        )
        return [rng.choice(others)(rng)]

    return Conversation(more, rng.choice(SYSTEM_PROMPTS) if rng.random() < 0.5 else "", signatures)


# --- conversations -------------------------------------------------------------------------------------------------


def plain_conversation(rng: random.Random) -> Conversation:
    last: int | None = None

    def more(rng: random.Random) -> list[Turn]:
        nonlocal last
        fits = last is not None and 0 <= last <= LARGEST
        turn = follow_up(rng, last) if fits and rng.random() < 0.06 else ordinary(rng)
        last = turn.result
        return [turn]

    return Conversation(more, rng.choice(SYSTEM_PROMPTS) if rng.random() < 0.25 else "")


def training_row(rng: random.Random, length: int, tool_share: float) -> tuple[list[int], list[float]]:
    """Token ids and weights of one conversation that fills a row of `length` tokens."""
    while True:
        talk = tool_conversation(rng) if rng.random() < tool_share else plain_conversation(rng)
        ids = talk.opening()
        weights = [0.0] * len(ids)
        while len(ids) < length:
            for turn in talk.more(rng):
                more, counts = encode_turn(turn)
                ids += more
                weights += counts
        # The cut may fall inside an answer: its beginning is still worth learning.
        ids, weights = ids[:length], weights[:length]
        if any(weights):
            return ids, weights
