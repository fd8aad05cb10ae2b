"""Token ids that callers send instead of texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models

from argosy.core.errors import InvalidRequest
from argosy.engines.encoders.tokens import Tokens, Truncate


def test_ids_reach_to_the_vocabularys_highest(tmp_path: Path) -> None:
    """Which is more than the number of its tokens where some were taken out."""
    Tokenizer(models.WordLevel({"[UNK]": 0, "sea": 9}, unk_token="[UNK]")).save(str(tmp_path / "tokenizer.json"))
    tokens = Tokens(tmp_path / "tokenizer.json", 4, 1)
    assert tokens.fit_ids(np.array([9, 0, -1]), Truncate.NONE, "token_ids").ids.tolist() == [9, 0]
    with pytest.raises(InvalidRequest, match="from 0 to 9"):
        tokens.fit_ids(np.array([10]), Truncate.NONE, "token_ids")
