"""Tests of engines whose libraries need torch; run with `make test-engines`, in an environment of their own."""

from __future__ import annotations

import importlib.util
import os
import warnings

import pytest

collect_ignore_glob = [] if importlib.util.find_spec("torch") else ["test_*.py"]

# Warnings of other people's modules; everywhere else a warning is an error.
_FOREIGN = (DeprecationWarning, FutureWarning, UserWarning, SyntaxWarning)
_UNCLOSED = "Unclosed (context|socket)"


def pytest_configure(config: pytest.Config) -> None:
    # What is tested must not reach for the network, and must not be counted by its makers.
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", VLLM_NO_USAGE_STATS="1")
    for kind in _FOREIGN:
        config.addinivalue_line("filterwarnings", f"ignore::{kind.__name__}")
    # vLLM leaves contexts of ZeroMQ to the garbage collector, which may come after the last test.
    config.addinivalue_line("filterwarnings", f"ignore:{_UNCLOSED}:ResourceWarning")
    warnings.filterwarnings("ignore", _UNCLOSED, ResourceWarning)
