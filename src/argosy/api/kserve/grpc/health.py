"""The standard health service, which Kubernetes' gRPC probes ask.

Source: `grpc/health/v1/health.proto`. Its messages have one field each and are read and written by hand.
"""

from __future__ import annotations

from argosy.api.kserve.grpc.exchange import Exchange
from argosy.api.kserve.grpc.framing import split
from argosy.api.kserve.grpc.models import ModelMethods
from argosy.core.errors import MalformedBody, NotFound

SERVICE = "grpc.health.v1.Health"

_SERVING = b"\x08\x01"
_NOT_SERVING = b"\x08\x02"


class HealthMethods:
    """Tells whether the server is ready.

    Args:
        models: knows.
        services: names that may be asked for; the empty name stands for the server.
    """

    def __init__(self, models: ModelMethods, services: frozenset[bytes]) -> None:
        self._models = models
        self._services = services | {b""}

    async def check(self, _exchange: Exchange, data: bytes) -> bytes:
        """SERVING or NOT_SERVING.

        Raises:
            NotFound: there is no such service.
        """
        try:
            _, names = split(data, 1, 8)
        except ValueError as error:
            raise MalformedBody(f"The request is not a HealthCheckRequest message: {error}.") from None
        if bytes(names[-1] if names else b"") not in self._services:
            raise NotFound("There is no such service here.", param="service")
        return _SERVING if self._models.is_ready else _NOT_SERVING
