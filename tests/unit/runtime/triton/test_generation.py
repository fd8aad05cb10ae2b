from __future__ import annotations

import pytest

from argosy.runtime.triton.generation import load_reason

PREFIX = "load failed for model 'm': version 1 is at UNAVAILABLE state: "


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (PREFIX + "Internal: RuntimeError: nope\n\nAt:\n  /x/model.py(8): initialize\n;\n", "nope"),
        (
            PREFIX + "Internal: TritonModelException: [argosy:invalid_model] Weights are gone.\n\nAt:\n x;\n",
            "Weights are gone.",
        ),
        (
            PREFIX + "Internal: c_python_backend_utils.TritonModelException: [argosy:missing_requirement] Run: x\n;\n",
            "Run: x",
        ),
        (PREFIX + "Internal: Stub process 'm_0_0' is not healthy.;\n", "Stub process 'm_0_0' is not healthy."),
        (
            "failed to load 'm', failed to poll from model repository",
            "failed to load 'm', failed to poll from model repository",
        ),
        ("", "Triton gave no reason"),
    ],
)
def test_load_reason_is_for_people(text: str, reason: str) -> None:
    """The reason has the engine's words without Triton's framing and without a traceback."""
    assert load_reason(text) == reason
