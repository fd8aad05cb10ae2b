"""Folders that hold an engine of TensorRT-LLM's former backend instead of a checkpoint."""

from __future__ import annotations

from pathlib import Path

import msgspec

from argosy.core.errors import InvalidModelEntry


class _Config(msgspec.Struct):
    pretrained_config: object = None
    build_config: object = None


def refuse_built(config: Path) -> None:
    """Refuse what `trtllm-build` and `LLM.save` write; says nothing of any other file.

    Raises:
        InvalidModelEntry: the folder holds an engine built ahead.
    """
    try:
        found = msgspec.json.decode(config.read_bytes(), type=_Config)
    except (OSError, msgspec.MsgspecError):
        return
    if found.build_config is not None or next(config.parent.glob("rank*.engine"), None) is not None:
        raise InvalidModelEntry(
            f"{config.parent} holds an engine that was built ahead (trtllm-build), for the backend that TensorRT-LLM "
            "has given up. Serve the checkpoint that it was built from: nothing has to be built."
        )
