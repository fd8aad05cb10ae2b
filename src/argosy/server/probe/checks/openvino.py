"""OpenVINO and OpenVINO GenAI, in a process of their own: a broken library may end it."""

from __future__ import annotations

import json
import subprocess
import sys

from argosy.server.probe.checks.finding import Finding, Level

_SECONDS = 60.0
_REINSTALL = "pip install --force-reinstall openvino openvino-genai openvino-tokenizers"
_OPENVINO = (
    "import json, openvino as o;print(json.dumps([o.__version__.split('-')[0], ', '.join(o.Core().available_devices)]))"
)
_GENAI = "import json, openvino_genai as g; print(json.dumps([g.__version__.split('-')[0], '']))"


def check_openvino() -> Finding:
    """Whether OpenVINO imports and sees the processor."""
    return _check("OpenVINO", _OPENVINO)


def check_genai() -> Finding:
    """Whether OpenVINO GenAI imports."""
    return _check("OpenVINO GenAI", _GENAI)


def _check(name: str, program: str) -> Finding:
    command = [sys.executable, "-c", program]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return Finding(name, Level.FAIL, f"the import took more than {_SECONDS:g} s", _REINSTALL)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        reason = lines[-1] if lines else f"exit status {done.returncode}"
        return Finding(name, Level.FAIL, f"cannot be imported: {reason}", _REINSTALL)
    version, devices = json.loads(done.stdout.splitlines()[-1])
    if devices and "CPU" not in devices:
        return Finding(name, Level.FAIL, f"{version} sees {devices}, no CPU device", _REINSTALL)
    return Finding(name, Level.OK, f"{version} on {devices}" if devices else version)
