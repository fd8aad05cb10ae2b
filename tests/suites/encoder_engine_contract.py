"""What every engine that embeds texts is asked; its model reads `tests.suites.word_tokenizer`, 8 tokens at most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from argosy.core.tensors import text_tensor
from argosy.engines.contract import TensorRequest
from tests.suites.engine_contract import TensorEngineContract
from tests.suites.word_tokenizer import WORDS

MAX_TOKENS = 8


class EmbeddingEngineContract(TensorEngineContract):
    """The tensor engine's contract with the requests that an embedding model takes and refuses."""

    def requests(self) -> Sequence[TensorRequest]:
        ids = np.array([[2, 5, 3, -1], [2, 4, 6, 3]], dtype=np.int32)
        return [
            TensorRequest({"text": text_tensor(["the ship"])}),
            TensorRequest({"text": text_tensor(["a calm sea", "", "the ship sails over a"])}, {"truncate": "NONE"}),
            TensorRequest({"token_ids": ids}),
            TensorRequest({"text": text_tensor(["the ship", "sea " * 20])}, {"truncate": "END"}),
        ]

    def bad_requests(self) -> Sequence[TensorRequest]:
        text = text_tensor(["ship"])
        broken = np.array([[b"\xff\xfe"]], dtype=np.object_)
        return [
            TensorRequest({}),
            TensorRequest({"text": np.zeros((1, 1), dtype=np.float32)}),
            TensorRequest({"text": text.reshape(-1)}),
            TensorRequest({"text": text[:0]}),
            TensorRequest({"text": broken}),
            TensorRequest({"text": text}, {"truncate": "MIDDLE"}),
            TensorRequest({"text": text}, {"input_type": "poem"}),
            TensorRequest({"text": text, "token_ids": np.ones((1, 1), dtype=np.int32)}),
            TensorRequest({"token_ids": np.ones((1, 2), dtype=np.int64)}),
            TensorRequest({"token_ids": np.ones((0, 2), dtype=np.int32)}),
            TensorRequest({"token_ids": np.full((1, 2), -1, dtype=np.int32)}),
            TensorRequest({"token_ids": np.array([[1, -1, 1]], dtype=np.int32)}),
            TensorRequest({"token_ids": np.array([[1, len(WORDS)]], dtype=np.int32)}),
            TensorRequest({"token_ids": np.array([[1, -2]], dtype=np.int32)}),
        ]

    def too_long(self) -> TensorRequest:
        return TensorRequest({"text": text_tensor(["sea", "sea " * 7])})
