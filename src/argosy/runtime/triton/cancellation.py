"""How a generation is cancelled: by a request of its own on the stream that carries it.

Triton has a way for this, resetting the stream. In Triton 2.51 it is not safe: when the reset meets a response on its
way, the frontend frees the request twice and the server ends (seen with fifty clients that leave at once). So the
stream stays open: a second request on it names the first, our host in the stub cancels that one in its engine, the
engine ends it as it ends every answer, and the stream carries the next request. Requests of one stream arrive in order,
so the second cannot overtake the first. Only models of our own hosts understand it; other decoupled models' streams are
still reset.
"""

from __future__ import annotations

CALL = "argosy_call"
"""Request parameter with the name by which a generation may be cancelled; nobody can guess it."""
CANCEL = "argosy_cancel"
"""Request parameter of a request that is no generation: the name of the one to cancel."""
_OURS = "argosy_"


def can_cancel(backend: str) -> bool:
    """Whether the host that this backend runs understands `CANCEL`; asked about decoupled models."""
    return backend.startswith(_OURS)
