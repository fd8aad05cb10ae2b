"""The model class that Triton's python stub runs: hosts any engine of the registry.

A backend `argosy_<engine>` is one file, `backends/model.py`, that imports `TritonPythonModel` from here. The class
finds its model entry beside `config.pbtxt`, builds the engine, and hands every execution to a host for the engine's
kind. Written against the python backend of Triton 2.51 (docs: github.com/triton-inference-server/python_backend).
"""

from __future__ import annotations

import faulthandler
import json
import locale
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from argosy.core.errors import ArgosyError, MissingRequirement, encode
from argosy.engines import registry
from argosy.engines.contract import GenerationEngine
from argosy.runtime.triton.group import SHOW_STACKS
from argosy.runtime.triton.host_generation import GenerationHost
from argosy.runtime.triton.host_options import engine_options, read_config
from argosy.runtime.triton.host_parent import die_with_parent
from argosy.runtime.triton.host_tensors import TensorHost
from argosy.store.entries import read_spec


class TritonPythonModel:
    """One instance of one model, in a process of its own.

    Triton calls `initialize` once, `execute` from one thread, `finalize` once.
    """

    def initialize(self, args: Mapping[str, str]) -> None:
        """Start the engine of the entry; Triton reports the model ready when this returns.

        Args:
            args: what the python backend passes: `model_config` (JSON), `model_repository` (the entry's
                directory), `model_name`, `model_version` and the instance's name and kind.

        Raises:
            TritonModelException: the engine could not start; the text is `argosy.core.errors.encode`'s.
        """
        import triton_python_backend_utils as pb_utils  # noqa: PLC0415 - exists inside the stub only

        try:
            prepare_process()
            self._host = _start_host(pb_utils, args)
        except ArgosyError as error:
            raise pb_utils.TritonModelException(encode(error)) from error

    def execute(self, requests: Sequence[Any]) -> list[Any] | None:
        """Run one batch: a list of responses, or None when the responses follow (decoupled models)."""
        return self._host.execute(requests)

    def finalize(self) -> None:
        """Stop the engine; Triton ends the process afterwards."""
        host = getattr(self, "_host", None)
        if host is not None:
            host.stop()


def prepare_process() -> None:
    """Make the stub's isolated interpreter fit to run Python packages, and tie its life to Triton's.

    From then on SHOW_STACKS writes what each of its threads does into Triton's log.

    Raises:
        MissingRequirement: NumPy is too new for the stub.
    """
    # The stub starts its interpreter with utf8_mode=0 and the C locale: every text file would be read as ASCII.
    locale.setlocale(locale.LC_ALL, "C.UTF-8")
    check_numpy(np.__version__)
    die_with_parent()
    faulthandler.register(SHOW_STACKS)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")


def check_numpy(version: str) -> None:
    """Refuse a NumPy that the stub was not built for; with it, texts would arrive as garbage.

    Raises:
        MissingRequirement: NumPy 2 or newer.
    """
    if int(version.split(".", 1)[0]) >= 2:
        raise MissingRequirement(
            f"Triton's python stub is built against NumPy 1 and NumPy {version} is installed. "
            "Run: pip install 'numpy>=1.26.4,<2'"
        )


def _start_host(pb_utils: Any, args: Mapping[str, str]) -> TensorHost | GenerationHost:
    directory = Path(args["model_repository"])
    config = read_config(json.loads(args["model_config"]))
    spec = read_spec(directory)
    engine = registry.create(spec, engine_options(config, directory / args["model_version"]))
    labels = {"model": args["model_name"], "version": args["model_version"]}
    try:
        engine.start()
    except BaseException:
        engine.stop()
        raise
    if isinstance(engine, GenerationEngine):
        return GenerationHost(pb_utils, engine, labels)
    return TensorHost(pb_utils, engine, config.inputs, config.outputs)
