"""Environment variables for as long as a library reads them."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping

_LOCK = threading.Lock()


@contextlib.contextmanager
def surrounding(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables of this process, which its children inherit, and put all of them back as they were afterwards.

    vLLM is told much by variables only, and sets some itself; neither is the business of whatever else runs here.
    """
    with _LOCK:
        before = dict(os.environ)
        os.environ.update(values)
        try:
            yield
        finally:
            for name in os.environ.keys() - before.keys():
                del os.environ[name]
            os.environ.update(before)
