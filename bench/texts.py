"""What the load consists of: sentences and prompts of known length, the same in every run."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import orjson

SHORTEST, LONGEST = 6, 40
"""Words in a sentence."""

_VOCABULARY = (
    "the a one this every another some our their that in on under over behind between near through without after "
    "before because while although where when who which and or but not never always often again soon early late "
    "river bridge engine sailor harbour market window kitchen garden letter teacher doctor child village mountain "
    "road train station ticket paper wheel machine sensor wafer signal circuit network server model question answer "
    "number result value error report meeting budget invoice customer order price contract delivery warehouse pump "
    "valve pressure temperature metal copper glass water winter summer evening morning yesterday tomorrow hour minute "
    "carries opens closes finds loses repairs measures counts sells buys writes reads forgets remembers explains "
    "refuses accepts sends receives builds breaks paints cleans moves stops starts waits runs sings learns teaches "
    "old new small large bright dark quiet loud heavy light broken careful expensive cheap empty full cold warm "
    "strange simple difficult important possible sudden local foreign electric wooden yellow second third seven twelve"
)
_WORDS = _VOCABULARY.split()


def sentences(count: int, seed: int = 0) -> list[str]:
    """`count` different sentences of 6 to 40 words, every length equally likely; the same for the same seed."""
    rng = random.Random(seed)
    made: dict[str, None] = {}
    while len(made) < count:
        words = rng.choices(_WORDS, k=rng.randint(SHORTEST, LONGEST))
        made[" ".join(words).capitalize() + "."] = None
    return list(made)


def token_prompts(count: int, length: int, ids: range, seed: int) -> list[list[int]]:
    """`count` prompts of exactly `length` token ids out of `ids`.

    Two seeds share no prompt, so that a prefix cache never answers for the engine.
    """
    rng = random.Random(f"prompt {seed}")
    return [[rng.choice(ids) for _ in range(length)] for _ in range(count)]


def embedding_bodies(texts: Sequence[str], per_request: int, model: str, encoding_format: str) -> list[bytes]:
    """Bodies for `/v1/embeddings`: a plain string for one text a request, else lists of `per_request` texts."""
    groups = [list(texts[start : start + per_request]) for start in range(0, len(texts), per_request)]
    return [
        orjson.dumps(
            {
                "model": model,
                "input": group[0] if per_request == 1 else group,
                "encoding_format": encoding_format,
            }
        )
        for group in groups
        if len(group) == per_request
    ]


def write_lines(path: Path, bodies: Sequence[bytes]) -> Path:
    """One body a line, for wrk; JSON never holds a raw line break."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\n".join(bodies) + b"\n")
    return path
