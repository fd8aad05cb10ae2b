"""Every task's class, built over one runtime client."""

from __future__ import annotations

from dataclasses import dataclass

from argosy.runtime.contract import InferenceClient
from argosy.server.admission.admission import Admission
from argosy.server.admission.residents import Residents
from argosy.server.catalog.board import StatusBoard
from argosy.server.dataplane.classify import Classifier
from argosy.server.dataplane.dispatch import Dispatcher
from argosy.server.dataplane.embed import Embedder
from argosy.server.dataplane.encode import BatchOptions, Encoding
from argosy.server.dataplane.generate import Generator
from argosy.server.dataplane.infer import TensorInference
from argosy.server.dataplane.rank import Ranker
from argosy.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class DataPlane:
    """What the wire dialects call; every one of them goes through the same admission, status check and metrics."""

    embedder: Embedder
    ranker: Ranker
    classifier: Classifier
    generator: Generator
    tensors: TensorInference

    @classmethod
    def over(
        cls,
        client: InferenceClient,
        board: StatusBoard,
        admission: Admission,
        metrics: Metrics,
        *,
        batches: BatchOptions | None = None,
        residents: Residents | None = None,
    ) -> DataPlane:
        """Wire the tasks to `client`; `residents` where models are loaded when they are asked for."""
        dispatcher = Dispatcher(client, board, admission, residents)
        encoding = Encoding(dispatcher, batches)
        return cls(
            Embedder(encoding, metrics),
            Ranker(encoding, metrics),
            Classifier(encoding, metrics),
            Generator(dispatcher, metrics),
            TensorInference(dispatcher, metrics),
        )
