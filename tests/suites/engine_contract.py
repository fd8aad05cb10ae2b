"""The contract suites of `argosy.engines.contract`: one class for each kind of engine, inherited by every engine.

A subclass fills in the hooks at the top of its class; every test states one sentence of the contract.
"""

from __future__ import annotations

from tests.suites.engine_life_contract import Broken, Deployment, EngineContract
from tests.suites.generation_engine_contract import (
    GENEROUS,
    Answer,
    GenerationEngineContract,
    run,
    start,
    wait_until,
)
from tests.suites.tensor_engine_contract import TensorEngineContract, assert_close, rows, succeeded

__all__ = [
    "GENEROUS",
    "Answer",
    "Broken",
    "Deployment",
    "EngineContract",
    "GenerationEngineContract",
    "TensorEngineContract",
    "assert_close",
    "rows",
    "run",
    "start",
    "succeeded",
    "wait_until",
]
