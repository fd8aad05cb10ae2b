"""The samples a model is calibrated and judged on: the user's own, or sentences written here from a seed.

Half of them calibrate a quantisation, the other half judge it, so that no figure was tuned to what it is measured on.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from argosy.conversion.sources.kinds import Kind
from argosy.core.errors import InvalidModelEntry

_SEED = 20
_LARGEST_FILE = 64 << 20
# fmt: off
_WHO = ("the harbour pilot", "an apprentice", "our accountant", "the night shift", "a young doctor", "the museum",
        "my neighbour", "a group of hikers", "the support team", "the referee")
_DID = ("closed the lower valve", "asked for a second opinion", "found a mistake in the timetable",
        "moved the meeting to Friday", "counted the boxes twice", "painted the fence green", "sent the wrong invoice",
        "learned to read the map", "restarted the machine", "sold the last ticket")
_HOW = ("before the storm", "without telling anyone", "in less than an hour", "for the third time this week",
        "because the lights went out", "although nobody had asked", "near the old station",
        "after a long pause")
_ASKED = ("how much {} costs", "where {} comes from", "whether {} is safe", "who repairs {}", "when {} was built",
          "why {} keeps failing")
_THINGS = ("a heat pump", "the railway bridge", "a wooden violin", "the backup server", "a greenhouse",
           "a diesel engine", "the city archive", "a solar panel", "an old telescope", "the water supply")
# fmt: on


@dataclass(frozen=True, slots=True)
class Samples:
    """What the model reads.

    Attributes:
        texts: one for each sample; for cross-encoders the queries.
        passages: for cross-encoders, one for each query; else empty.
        tensors: file with one array for each input of the network, the samples along the first dimension; None lets
            the export make some.
        count: how many there are, or shall be made.
        generated: whether they were written here.
    """

    texts: tuple[str, ...]
    passages: tuple[str, ...]
    tensors: Path | None
    count: int
    generated: bool


def samples(kind: Kind, file: Path | None, count: int) -> Samples:
    """The samples for a model.

    Args:
        kind: what the model is.
        file: the user's: `.txt` with a text a line (cross-encoders: query, tab, passage), `.jsonl` with `text`, or
            `query` and `passage`, or `prompt` a line; for models that take tensors a `.npz`.
        count: how many to make when there is no file; most to read when there is.

    Raises:
        InvalidModelEntry: the file cannot be used; the message says what was expected.
    """
    if not kind.reads_text:
        _check_tensor_file(file)
        return Samples((), (), file, count, file is None)
    pairs = _read(file, kind, count) if file is not None else _written(kind, count)
    texts, passages = tuple(first for first, _ in pairs), tuple(second for _, second in pairs)
    return Samples(texts, passages if kind is Kind.CROSS_ENCODER else (), None, len(pairs), file is None)


def sentences(count: int) -> list[str]:
    """English sentences of 4 to about 30 words; the same for the same count."""
    random_source = random.Random(_SEED)  # noqa: S311 - variety, not secrecy
    made: list[str] = []
    while len(made) < count:
        parts = [_clause(random_source) for _ in range(random_source.choice((1, 1, 1, 2, 3)))]
        text = ", and ".join(parts)
        made.append(f"{text[0].upper()}{text[1:]}.")
    return made


def _clause(random_source: random.Random) -> str:
    pick = random_source.choice
    if random_source.random() < 0.3:
        return f"{pick(_WHO)} wanted to know {pick(_ASKED).format(pick(_THINGS))}"
    ending = f" {pick(_HOW)}" if random_source.random() < 0.7 else ""
    return f"{pick(_WHO)} {pick(_DID)}{ending}"


def _written(kind: Kind, count: int) -> list[tuple[str, str]]:
    made = sentences(2 * count)
    return list(zip(made[:count], made[count:], strict=True)) if kind is Kind.CROSS_ENCODER else [
        (text, "") for text in made[:count]
    ]  # fmt: skip


def _check_tensor_file(file: Path | None) -> None:
    if file is not None and file.suffix.lower() != ".npz":
        raise InvalidModelEntry(f"{file}: this model takes tensors; give a .npz with one array for each input.")


def _read(file: Path, kind: Kind, most: int) -> list[tuple[str, str]]:
    try:
        if file.stat().st_size > _LARGEST_FILE:
            raise InvalidModelEntry(f"{file} is larger than {_LARGEST_FILE >> 20} MiB; some hundred lines are enough.")
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidModelEntry(f"{file} cannot be read as UTF-8 text: {error}.") from error
    parse = _json_line if file.suffix.lower() == ".jsonl" else _text_line
    found = [parse(file, number, line, kind) for number, line in enumerate(lines[:most], start=1)]
    if len(found) < 2:
        raise InvalidModelEntry(f"{file} holds {len(found)} samples; at least 2 are needed, and 100 are better.")
    return found


def _text_line(file: Path, number: int, line: str, kind: Kind) -> tuple[str, str]:
    first, tab, second = line.partition("\t")
    if kind is not Kind.CROSS_ENCODER:
        return line, ""
    if not tab:
        raise InvalidModelEntry(f"{file}, line {number}: a cross-encoder reads pairs; write query, tab, passage.")
    return first, second


def _json_line(file: Path, number: int, line: str, kind: Kind) -> tuple[str, str]:
    keys: Sequence[str] = ("query", "passage") if kind is Kind.CROSS_ENCODER else ("text", "prompt")
    try:
        row = json.loads(line)
        found = [row[key] for key in keys if isinstance(row.get(key), str)]
    except (ValueError, AttributeError, RecursionError):
        found = []
    if kind is Kind.CROSS_ENCODER and len(found) == 2:
        return found[0], found[1]
    if kind is not Kind.CROSS_ENCODER and found:
        return found[0], ""
    raise InvalidModelEntry(f"{file}, line {number}: expected a JSON mapping with {' and '.join(keys)}.") from None
