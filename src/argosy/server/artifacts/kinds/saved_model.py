"""A TensorFlow SavedModel folder, read by OpenVINO; TensorFlow is not needed.

Source: TensorFlow's SavedModel layout: `saved_model.pb` with the graph, `variables/` with the weights.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from argosy.core.errors import InvalidModelEntry
from argosy.server.artifacts.kinds.network import plan_tensors
from argosy.server.artifacts.plan import Plan
from argosy.server.artifacts.readers.network import read_network
from argosy.server.artifacts.source import Source

GRAPH_FILE = "saved_model.pb"
FOLDER = "model.savedmodel"
"""What Triton calls the folder in a version folder."""
_VARIABLES = re.compile(r"variables/variables\.(index|data-\d{5}-of-\d{5})")


def is_saved_model(source: Source) -> bool:
    """Whether the folder holds a SavedModel."""
    return source.find(GRAPH_FILE) is not None


def is_part(path: str) -> bool:
    """Whether a file of the folder is read; assets and notes of the exporter are not."""
    return path == GRAPH_FILE or _VARIABLES.fullmatch(path) is not None


def plan_saved_model(source: Source, name: str, origin: Mapping[str, Any]) -> Plan:
    """The entry of a SavedModel; its inputs and outputs are those of the default serving signature.

    Raises:
        InvalidModelEntry: OpenVINO cannot read it, or it cannot be served.
        MissingRequirement: OpenVINO is not installed.
    """
    files = saved_model_files(source)
    network = read_network(source.root)
    named = {f"{FOLDER}/{path}": file for path, file in files.items()}
    return plan_tensors(name, FOLDER, network, named, frozenset(), origin)


def saved_model_files(source: Source) -> dict[str, Path]:
    """The files that are read, by path in the folder.

    Raises:
        InvalidModelEntry: the graph is missing, or a file is a link out of the folder.
    """
    variables = sorted((source.root / "variables").glob("variables.*"))
    names = [GRAPH_FILE, *(f"variables/{path.name}" for path in variables)]
    found = {name: file for name in names if is_part(name) and (file := source.find(name)) is not None}
    if GRAPH_FILE not in found:
        raise InvalidModelEntry(f"{source.root} has no {GRAPH_FILE}; it is not a SavedModel.")
    if len(found) == 2:
        raise InvalidModelEntry(f"{source.root / 'variables'} lacks its index or its data; export the model again.")
    return found
