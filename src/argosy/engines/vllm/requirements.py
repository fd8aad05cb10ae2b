"""What must be installed."""

from __future__ import annotations

import importlib.util

from argosy.core.errors import MissingRequirement


def require_vllm() -> None:
    """Raise `MissingRequirement` where vLLM is not installed, with the command that adds it."""
    if importlib.util.find_spec("vllm") is None:
        raise MissingRequirement(
            "The library 'vllm' is missing; run: uv pip install --override requirements/vllm-overrides.txt "
            "'argosy[vllm]' (docs/engines.md; on a machine without GPU: make engines-environment)"
        )
