"""A language model in this process, driven by the bare OpenVINO GenAI loop: what the served one is compared with."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino_genai as genai

_KV_CACHE_GIB = 1
PRECISION = "bf16"
"""What the served model asks for, too; OpenVINO falls back to f32 on processors without it."""


@dataclass(slots=True)
class Generated:
    """The outcome of many generations.

    Attributes:
        tokens: produced by all of them.
        seconds: from the first request to the last token.
        first_tokens: seconds from each request to its first token.
        processor: seconds of processor time of this process.
    """

    tokens: int = 0
    seconds: float = 0.0
    first_tokens: list[float] = field(default_factory=list)
    processor: float = 0.0

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return self.tokens / self.seconds

    @property
    def cost(self) -> float:
        """Milliseconds of processor time a token."""
        return 1000 * self.processor / self.tokens


@dataclass(slots=True)
class _Stream:
    handle: Any
    began: float
    produced: int = 0


class RawGenerator:
    """A `ContinuousBatchingPipeline` with the library's scheduling defaults and nothing around it.

    Args:
        path: a GGUF file or an OpenVINO language model's folder.
        precision: arithmetic; that of the profile that `argosy serve` gives such a model.

    Attributes:
        threads: processor threads the pipeline may use: all of the machine's.
    """

    def __init__(self, path: Path, precision: str = PRECISION) -> None:
        scheduler = genai.SchedulerConfig()
        scheduler.cache_size = _KV_CACHE_GIB
        self.threads = len(os.sched_getaffinity(0))
        properties = {
            "INFERENCE_NUM_THREADS": self.threads,
            "INFERENCE_PRECISION_HINT": precision,
            "sampler_num_threads": self.threads,
        }
        self._pipeline = genai.ContinuousBatchingPipeline(str(path), scheduler, "CPU", properties)
        self._numbers = 0

    def run(self, prompts: Sequence[Sequence[int]], streams: int, output_tokens: int) -> Generated:
        """Generate exactly `output_tokens` for each prompt, `streams` at once, the next when one ends."""
        config = genai.GenerationConfig()
        config.max_new_tokens = output_tokens
        config.ignore_eos = True
        config.do_sample = False
        waiting, running, outcome = deque(prompts), list[_Stream](), Generated()
        processor, began = time.process_time(), time.perf_counter()
        while waiting or running:
            while waiting and len(running) < streams:
                running.append(self._add(waiting.popleft(), config))
            self._pipeline.step()
            running = [stream for stream in running if not self._advance(stream, output_tokens, outcome)]
        outcome.seconds = time.perf_counter() - began
        outcome.processor = time.process_time() - processor
        return outcome

    def _add(self, prompt: Sequence[int], config: Any) -> _Stream:
        self._numbers += 1
        began = time.perf_counter()
        tokens = ov.Tensor(np.array([prompt], dtype=np.int64))
        return _Stream(self._pipeline.add_request(self._numbers, tokens, config), began)

    @staticmethod
    def _advance(stream: _Stream, output_tokens: int, outcome: Generated) -> bool:
        """Take what the step produced; whether the stream has ended."""
        while stream.handle.can_read():
            fresh = sum(len(output.generated_ids) for output in stream.handle.read().values())
            if stream.produced == 0 and fresh:
                outcome.first_tokens.append(time.perf_counter() - stream.began)
            stream.produced += fresh
            outcome.tokens += fresh
        return stream.produced >= output_tokens
