"""The machine, looked at as the settings say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from argosy.server.probe.host import Host, probe
from argosy.settings import Settings


def this_machine(settings: Settings, *, devices: bool = False) -> Host:
    """See `probe`; the settings name the programs that are not Argosy's own."""
    return probe(devices=devices, tritonserver=settings.tritonserver, interpreters=interpreters(settings))


def interpreters(settings: Settings) -> Mapping[str, Path]:
    """The Python programs of engines that have an environment of their own, by engine."""
    python = settings.tensorrt_llm_python
    return {} if python is None else {"tensorrt_llm": python}
