"""Which files of a repository a model needs.

By what they are called, before anything is downloaded: one network in the form that loads fastest, its tokenizer and
configs, the licence. Nothing that could carry code is ever taken.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from argosy.core.errors import InvalidModelEntry
from argosy.server.artifacts.cache.members import check_members
from argosy.server.artifacts.fetch.hub import RemoteFile
from argosy.server.artifacts.kinds.network import FILE_NAMES
from argosy.server.artifacts.kinds.saved_model import GRAPH_FILE, is_part
from argosy.server.artifacts.reference import HubReference
from argosy.server.artifacts.refusals import PICKLES, REMOTE_CODE

_LARGEST_CONFIG = 64 << 20
_CONFIGS = (
    "*.json",
    "*.jinja",
    "vocab.txt",
    "merges.txt",
    "*.model",
    "*.spm",
    "*.tiktoken",
    "openvino_tokenizer.*",
    "openvino_detokenizer.*",
    "LICENSE*",
    "NOTICE*",
)
# What sentence-transformers keeps in a folder for each module.
_MODULE_CONFIGS = ("*_Pooling/config.json", "*_Dense/config.json", "*_Normalize/config.json")
_TRAINING = ("trainer_state.json", "training_args*", "optimizer*", "*.index.json")
_BINARY_CONFIGS = (".bin", ".xml")


@dataclass(frozen=True, slots=True)
class Choice:
    """What is fetched.

    Attributes:
        files: small ones first, so that a model that is refused for its config costs no download.
        model: path that stands for the model in the snapshot; empty means the snapshot itself.
        weights_only: whether these are weights without a network, for engines that take these, or to convert.
    """

    files: tuple[RemoteFile, ...]
    model: str = ""
    weights_only: bool = False


def choose(reference: HubReference, files: Sequence[RemoteFile]) -> Choice:
    """The files that serving the reference needs.

    Raises:
        InvalidModelEntry: nothing in the repository can be served, or it is not clear what should be.
    """
    by_path = {file.path: file for file in files}
    paths, weights_only = _paths(reference, by_path)
    check_members(paths, str(reference))
    chosen = tuple(sorted((by_path[path] for path in paths), key=lambda file: (file.size, file.path)))
    return Choice(chosen, reference.file, weights_only)


def _paths(reference: HubReference, files: dict[str, RemoteFile]) -> tuple[list[str], bool]:
    if reference.file:
        return _single(reference, files), False
    _refuse_code(reference, files)
    configs = [path for path, file in files.items() if _is_config(path) and file.size <= _LARGEST_CONFIG]
    if reference.weights and (weights := _weights(files)):
        return [*configs, *weights], True
    if (network := _network(reference, files)) is not None:
        return [*configs, *_with_companions(network, files, configs)], False
    ggufs = [path for path in files if path.lower().endswith(".gguf")]
    if len(ggufs) == 1:
        return [*configs, *ggufs], False
    if ggufs:
        raise InvalidModelEntry(
            f"{reference.repository} holds several .gguf files; name one: hf://{reference.repository}/{ggufs[0]}. "
            f"There are {_list(ggufs)}."
        )
    if GRAPH_FILE in files:
        return [*configs, *(path for path in files if is_part(path))], False
    if weights := _weights(files):
        return [*configs, *weights], True
    raise _nothing(reference, files)


def _weights(files: Iterable[str]) -> list[str]:
    """The safetensors of a model and of the modules that follow it; empty when it has none."""
    known = list(files)
    weights = [path for path in known if "/" not in path and path.endswith((".safetensors", ".safetensors.index.json"))]
    modules = [path for path in known if fnmatch.fnmatchcase(path, "*_Dense/*.safetensors")]
    return [*weights, *modules] if weights else []


def _single(reference: HubReference, files: dict[str, RemoteFile]) -> list[str]:
    path = reference.file
    if path not in files:
        same_kind = [other for other in files if PurePosixPath(other).suffix == PurePosixPath(path).suffix]
        raise InvalidModelEntry(f"{reference.repository} has no file {path!r}. There are {_list(same_kind or files)}.")
    if not path.lower().endswith((".gguf", ".onnx", ".xml")):
        raise InvalidModelEntry(f"{reference} is not a model file that runs here; known are .gguf, .onnx and .xml.")
    return _with_companions(path, files, ())


def _refuse_code(reference: HubReference, paths: Iterable[str]) -> None:
    for path in sorted(paths):
        if "/" not in path and any(fnmatch.fnmatchcase(path, pattern) for pattern in REMOTE_CODE):
            raise InvalidModelEntry(
                f"{reference.repository} brings code of its own ({path}), which is never run. Use a model whose "
                "architecture is part of the transformers library."
            )


def _is_config(path: str) -> bool:
    if any(fnmatch.fnmatchcase(path, pattern) for pattern in _MODULE_CONFIGS):
        return True
    return (
        "/" not in path
        and any(fnmatch.fnmatchcase(path, pattern) for pattern in _CONFIGS)
        and not any(fnmatch.fnmatchcase(path, pattern) for pattern in _TRAINING)
        and not _is_weights(path)
    )


def _is_weights(path: str) -> bool:
    suffix = PurePosixPath(path).suffix.lower()
    return suffix in _BINARY_CONFIGS and not path.startswith(("openvino_tokenizer.", "openvino_detokenizer."))


def _network(reference: HubReference, files: dict[str, RemoteFile]) -> str | None:
    for path in FILE_NAMES:
        if path in files and _is_network(path, files):
            return path
    found = sorted(path for path in files if "/" not in path and _is_network(path, files))
    if len(found) > 1:
        raise InvalidModelEntry(
            f"{reference.repository} holds several networks ({_list(found)}); name one: "
            f"hf://{reference.repository}/{found[0]}"
        )
    return found[0] if found else None


def _is_network(path: str, files: dict[str, RemoteFile]) -> bool:
    if path.endswith(("tokenizer.xml", "detokenizer.xml")):
        return False
    return path.endswith(".onnx") or (path.endswith(".xml") and f"{path[:-4]}.bin" in files)


def _with_companions(path: str, files: dict[str, RemoteFile], taken: Iterable[str]) -> list[str]:
    """The model file and the files that hold its weights."""
    if path.endswith(".xml"):
        companions = [f"{path[:-4]}.bin"]
    elif path.endswith(".onnx"):
        companions = [other for other in files if other in {f"{path}_data", f"{path}.data"} or _is_shard(other, path)]
    else:
        companions = []
    missing = [companion for companion in companions if companion not in files]
    if missing:
        raise InvalidModelEntry(f"{path} needs {missing[0]}, which the repository does not have.")
    return [name for name in (path, *companions) if name not in set(taken)]


def _is_shard(other: str, path: str) -> bool:
    return fnmatch.fnmatchcase(other, f"{path}_data_*") or fnmatch.fnmatchcase(other, f"{path}.data_*")


def _nothing(reference: HubReference, files: dict[str, RemoteFile]) -> InvalidModelEntry:
    if any(PurePosixPath(path).suffix.lower() in PICKLES for path in files):
        return InvalidModelEntry(
            f"{reference.repository} holds its weights only in a format that can carry code (pickle), which is never "
            "fetched. Look for a revision with safetensors, ONNX, OpenVINO or GGUF files."
        )
    return InvalidModelEntry(
        f"{reference.repository} holds no model that runs here: none of OpenVINO, ONNX, GGUF, TensorFlow SavedModel "
        f"and safetensors. It has {_list(files)}."
    )


def _list(paths: Iterable[str], most: int = 8) -> str:
    names = sorted(paths)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
