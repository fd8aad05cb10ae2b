"""A LoRA adapter that fits the network beside it."""

from __future__ import annotations

import re
from pathlib import Path

from argosy.core.errors import InvalidModelEntry
from argosy.engines.peft import PeftAdapter, not_for_the_model, read_peft


def read_adapter(directory: Path, graph: Path) -> PeftAdapter:
    """The adapter in a folder.

    Args:
        directory: holds `adapter_config.json` and `adapter_model.safetensors`.
        graph: `openvino_model.xml` of the network it is for.

    Raises:
        InvalidModelEntry: a file is missing or broken, is no LoRA this engine can apply, or is not for this network.
    """
    if graph.suffix != ".xml":
        raise InvalidModelEntry(f"The adapter {directory} needs a model that is a folder with {graph.stem}.xml.")
    adapter = read_peft(directory)
    names = graph.read_text(encoding="utf-8", errors="replace")
    for module in adapter.modules:
        # Layers are named in the graph as in the checkpoint, after a prefix and before what each does.
        if re.search(rf"[.\"]{re.escape(module)}[/.\"]", names) is None:
            raise not_for_the_model(adapter.path, module)
    return adapter
