"""What a conversion needs of the part that knows model folders and store entries; `app` passes it in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from argosy.core.models import ModelSpec


class Draft(Protocol):
    """An entry as it would be written.

    Attributes:
        config: text of `config.pbtxt`.
        files: name in the version folder to the file it comes from.
        texts: name in the version folder to the text written there.
    """

    @property
    def spec(self) -> ModelSpec:
        """What the entry is."""
        ...

    @property
    def config(self) -> str:
        """Text of `config.pbtxt`."""
        ...

    @property
    def files(self) -> Mapping[str, Path]:
        """Files of the version folder."""
        ...

    @property
    def texts(self) -> Mapping[str, str]:
        """Texts written into the version folder."""
        ...


@dataclass(frozen=True, slots=True)
class NativeNetwork:
    """A network built for one of Triton's own backends.

    Attributes:
        engine: `onnxruntime` or `tensorrt`.
        file: what the backend opens.
        network: the ONNX file that it was built from, which has the same inputs and outputs.
        gpu: whether it runs on a GPU.
        max_batch: most rows in one execution.
    """

    engine: str
    file: Path
    network: Path
    gpu: bool
    max_batch: int


@dataclass(frozen=True, slots=True)
class Artifacts:
    """Functions over model folders.

    Attributes:
        refuse_code: raises `InvalidModelEntry` for a folder whose configs or files ask for code of their own.
        find: a regular file of a folder by its path in it, or None; raises `InvalidModelEntry` for one that a link
            leads out of the folder.
        external_files: the files beside an ONNX file that hold its weights; raises for any that lie elsewhere.
        describe: the entry for a folder or network file, a name and an origin.
        describe_native: the same for a network that one of Triton's own backends runs.
        render: the text of `argosy.yaml`.
    """

    refuse_code: Callable[[Path], None]
    find: Callable[[Path, str], Path | None]
    external_files: Callable[[Path], tuple[Path, ...]]
    describe: Callable[[Path, str, Mapping[str, Any]], Draft]
    describe_native: Callable[[NativeNetwork, str, Mapping[str, Any]], Draft]
    render: Callable[[ModelSpec], str]
