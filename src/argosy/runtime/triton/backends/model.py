"""The whole of a backend `argosy_<engine>`: Triton's python stub loads this file from the backend's directory."""

from argosy.runtime.triton.host import TritonPythonModel

__all__ = ["TritonPythonModel"]
