"""Write the 500 natural sentences that the encoder's accuracy is measured on.

    python tools/models/minilm/sentences.py

Composed from phrases, seeded, 6 to 40 words: everyday reports, questions, instructions, opinions and technical
notes, so that both short search queries and long passages are covered. No outside text is used.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[3]
TARGET: Final = ROOT / "tests" / "data" / "models" / "minilm_sentences.txt"
SEED: Final = 500

PEOPLE: Final = (
    "the night nurse", "my oldest brother", "a retired surveyor", "the ferry captain", "our new neighbour",
    "the maths teacher", "a young violinist", "the harbour master", "the project manager",
    "an apprentice baker", "the database administrator", "a visiting botanist", "the goalkeeper",
    "their lawyer", "a bus driver from the suburbs", "the choir", "the whole maintenance crew",
    "my grandmother", "a journalist with a notebook", "the landlord", "an impatient customer",
    "the village council",
)  # fmt: skip
ACTS: Final = (
    "repaired the old clock tower", "forgot to renew the insurance", "planted two rows of apple trees",
    "cancelled the meeting without a reason", "measured the depth of the river",
    "sold a small collection of stamps", "wrote a long letter to the editor", "lost the keys to the archive",
    "translated the manual into Portuguese", "cooked lentil soup for forty guests",
    "restarted the web server twice", "won the regional chess tournament", "painted the kitchen a pale green",
    "discovered an error in the tax return", "walked the dog along the canal",
    "recorded birdsong for a documentary", "refused to sign the contract", "built a wooden boat in the garage",
    "replaced the batteries of the smoke alarm", "missed the last train home",
    "presented the quarterly figures", "taught the children to swim", "compared three loan offers",
    "photographed the eclipse from the roof",
)  # fmt: skip
WHEN: Final = (
    "last Tuesday", "before sunrise", "during the long winter", "after the audit", "on the first day of spring",
    "in less than an hour", "while it was raining", "two years ago", "at the end of the season",
    "between two meetings", "shortly after lunch", "when nobody was watching", "in the middle of the exam week",
    "on a quiet Sunday afternoon",
)  # fmt: skip
WHY: Final = (
    "because the old one had stopped working", "although the forecast was poor",
    "so that the others could rest", "even though the budget was already spent",
    "because somebody had to do it", "as the law requires", "and nobody complained",
    "but the result surprised everyone", "without asking for permission", "to save both time and money",
    "although it cost more than expected", "and then told the story to half the town",
    "which turned out to be a mistake", "which made the evening news",
    "while the rest of the team kept watch over the pumps and the power supply",
)  # fmt: skip
PLACES: Final = (
    "near the old railway bridge", "in a village without a shop", "at the edge of the forest",
    "in the data centre", "behind the theatre", "on the seventh floor", "outside the stadium",
    "in the hospital car park", "at the top of the valley", "beside the frozen lake", "in a small laboratory",
    "on the coast road", "in the university library",
)  # fmt: skip
TOPICS: Final = (
    "solar panels on flat roofs", "the side effects of the new vaccine", "renting a car abroad",
    "sourdough bread at high altitude", "the migration of storks", "open source licences",
    "a leaking dishwasher", "early signs of frost damage", "interest rates for first-time buyers",
    "noise limits at night", "training a puppy", "backup policies for small companies",
    "the history of the silk trade", "knee pain after running", "electric buses in hilly towns",
    "the rules of water polo", "growing tomatoes on a balcony", "missing data in surveys",
    "wooden window frames", "the price of copper", "memory leaks in long-running services",
    "learning the cello as an adult", "the safety of lithium batteries", "late trains and refunds",
)  # fmt: skip
QUESTIONS: Final = (
    "What should I know about {t}?", "Where can I find a short introduction to {t}?",
    "How much does it usually cost to deal with {t}?", "Is there a reliable book about {t} for beginners?",
    "Can somebody explain {t} to me in plain words?", "Why do so many people disagree about {t}?",
    "How do I explain {t} to a child of nine {w}?", "Which office is responsible for {t} in this district?",
)  # fmt: skip
NOTES: Final = (
    "This report summarises what we learned about {t} and {u}.",
    "The chapter on {t} is shorter than the one on {u}.",
    "Most letters to the editor were about {t}, and only a few mentioned {u}.",
    "Our advice on {t} has not changed since the last edition.",
    "The committee postponed its decision on {t} until more is known about {u}.",
    "Please read the notes on {t} before you call us {w}.",
    "A survey of eleven hundred households found that {t} worries people far more than {u}, {y}.",
    "The speaker confused {t} with {u}, {y}.",
)  # fmt: skip
FAULTS: Final = (
    "Error {n}: the connection to the printer was closed {w}.",
    "The pump in hall {n} stopped {w} and restarted by itself.",
    "Order number {n} was delivered to the wrong address {w}.",
    "Sensor {n} reports a temperature that is too high for this time of year.",
    "Version {n} of the application crashes when the file name contains a space.",
    "Room {n} has no heating {w}, and the tenants are angry.",
    "Flight {n} was delayed by forty minutes because of strong winds over the sea.",
    "Invoice {n} has been paid twice, so please refund the second amount to our account {w}.",
)  # fmt: skip
ORDERS: Final = (
    "Turn off the main valve before you open the filter housing.",
    "Mix the flour with cold butter until it looks like sand, then add one egg and a spoon of water.",
    "Keep the receipt, fill in the form and send both to the address below.",
    "Hold the button for five seconds until the light blinks blue.",
    "Let the varnish dry overnight and sand it lightly in the morning.",
    "Save your work, close every window and restart the computer.",
    "Take the second exit at the roundabout and follow the signs to the harbour.",
    "Never leave a candle burning in an empty room.",
)  # fmt: skip


def capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def report(rng: random.Random) -> str:
    parts = [rng.choice(PEOPLE), rng.choice(ACTS)]
    parts += [rng.choice(pool) for pool, chance in ((PLACES, 0.5), (WHEN, 0.6), (WHY, 0.6)) if rng.random() < chance]
    return " ".join(parts) + "."


def two_reports(rng: random.Random) -> str:
    link = rng.choice(("while", "but", "and", "although", "so", "because"))
    return f"{report(rng)[:-1]}, {link} {rng.choice(PEOPLE)} {rng.choice(ACTS)} {rng.choice(WHEN)}."


def filled(templates: tuple[str, ...], rng: random.Random) -> str:
    first, second = rng.sample(TOPICS, 2)
    return rng.choice(templates).format(
        t=first, u=second, w=rng.choice(WHEN), y=rng.choice(WHY), n=rng.randint(12, 9800)
    )


def sentences(count: int) -> list[str]:
    rng = random.Random(SEED)
    makers = (report, report, two_reports, *(lambda r, p=pool: filled(p, r) for pool in (QUESTIONS, NOTES, FAULTS)))
    made = dict.fromkeys(ORDERS)
    while len(made) < count:
        sentence = capital(rng.choice(makers)(rng))
        if 6 <= len(sentence.split()) <= 40:
            made[sentence] = None
    mixed = list(made)
    rng.shuffle(mixed)
    return mixed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", type=Path, default=TARGET)
    args = parser.parse_args()
    args.target.parent.mkdir(parents=True, exist_ok=True)
    args.target.write_text("\n".join(sentences(500)) + "\n", encoding="utf-8")
    print(f"500 sentences in {args.target.name}")


if __name__ == "__main__":
    main()
