"""An encoder in this process, as fast as OpenVINO makes it: what the served one is compared with.

Nothing here comes from the serving engine. Texts go in and vectors come out, sorted by length, in full batches, with
the same network, precision and tokenizer as the served model, and every processor of the machine.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from tokenizers import Tokenizer

from argosy.store.entries import read_entry
from bench.figures import middle

BATCH = 32
PASSES = 3
_HINTS = ("LATENCY", "THROUGHPUT")
_ALONE = "one thread"
_ALONE_TEXTS = 50


class RawEncoder:
    """The network of a model store entry, compiled for throughput, for latency, and for one thread.

    Attributes:
        threads: processor threads OpenVINO may use: all of the machine's.
        hint: the performance hint that gave the higher rate here.
        single: how one text at a time was fastest: `LATENCY`, or one thread where more cost more than they bring.
    """

    def __init__(self, entry_directory: Path) -> None:
        entry = read_entry(entry_directory)
        if entry.spec.text is None:
            raise ValueError(f"{entry.name} reads no text")
        self.threads = len(os.sched_getaffinity(0))
        self.precision = entry.spec.profile.precision
        self._tokenizer = Tokenizer.from_file(str(entry.newest / entry.spec.text.tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(entry.spec.text.max_tokens)
        core = ov.Core()
        network = core.read_model(entry.newest / entry.spec.model)
        ways = {hint: (hint, self.threads) for hint in _HINTS} | {_ALONE: ("LATENCY", 1)}
        self._compiled = {
            way: core.compile_model(network, "CPU", _properties(hint, threads, self.precision))
            for way, (hint, threads) in ways.items()
        }
        self._inputs = [port.any_name for port in network.inputs]
        self.hint = _HINTS[0]
        self.single = _HINTS[0]

    def choose(self, texts: Sequence[str]) -> None:
        """Warm up on `texts` and keep the ways that serve them faster, together and one at a time."""
        rates = {}
        for hint in _HINTS:
            self.hint = hint
            self._pass(texts)
            rates[hint] = self.rate(texts)
        self.hint = max(rates, key=lambda name: rates[name])
        latencies = {}
        for way in (_HINTS[0], _ALONE):
            self.single = way
            latencies[way] = self.latency(texts[:_ALONE_TEXTS])
        self.single = min(latencies, key=lambda name: latencies[name])

    def rate(self, texts: Sequence[str]) -> float:
        """Texts a second: the best of three passes, tokenising and pooling included."""
        best = min(self._pass(texts) for _ in range(PASSES))
        return len(texts) / best

    def latency(self, texts: Sequence[str]) -> float:
        """Median milliseconds of one text at a time."""
        request = self._compiled[self.single].create_infer_request()
        durations = []
        for text in texts:
            began = time.perf_counter()
            batch = self._batch([self._tokenizer.encode(text).ids])
            request.infer(batch, share_inputs=True)
            _pool(request.get_output_tensor(0).data, batch)
            durations.append(time.perf_counter() - began)
        return middle(durations) * 1000

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Normalised vectors in the order of `texts`."""
        rows: dict[int, NDArray[np.float32]] = {}
        self._run(texts, rows)
        return np.stack([rows[index] for index in range(len(texts))])

    def _pass(self, texts: Sequence[str]) -> float:
        began = time.perf_counter()
        self._run(texts, {})
        return time.perf_counter() - began

    def _run(self, texts: Sequence[str], rows: dict[int, NDArray[np.float32]]) -> None:
        compiled = self._compiled[self.hint]
        ids = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
        queue = ov.AsyncInferQueue(compiled, 0)

        def collect(request: ov.InferRequest, work: tuple[list[int], dict[str, NDArray[np.int64]]]) -> None:
            members, batch = work
            rows.update(zip(members, _pool(request.get_output_tensor(0).data, batch), strict=True))

        queue.set_callback(collect)
        for start in range(0, len(order), BATCH):
            members = order[start : start + BATCH]
            batch = self._batch([ids[index] for index in members])
            queue.start_async(batch, (members, batch), share_inputs=True)
        queue.wait_all()

    def _batch(self, ids: Sequence[Sequence[int]]) -> dict[str, NDArray[np.int64]]:
        longest = max(map(len, ids))
        tokens = np.zeros((len(ids), longest), np.int64)
        mask = np.zeros_like(tokens)
        for row, sequence in enumerate(ids):
            tokens[row, : len(sequence)] = sequence
            mask[row, : len(sequence)] = 1
        known = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
        return {name: known[name] for name in self._inputs}


def _properties(hint: str, threads: int, precision: str) -> dict[str, str | int]:
    return {"PERFORMANCE_HINT": hint, "INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads}


def _pool(hidden: NDArray[np.float32], batch: dict[str, NDArray[np.int64]]) -> NDArray[np.float32]:
    """Mean over the tokens of each text, length one."""
    mask = batch["attention_mask"].astype(np.float32)
    total = np.einsum("btd,bt->bd", hidden, mask, optimize=True)
    total /= mask.sum(1, keepdims=True)
    normalised: NDArray[np.float32] = total / np.linalg.norm(total, axis=1, keepdims=True)
    return normalised
