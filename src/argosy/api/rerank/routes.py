"""The routes of the rerank dialects."""

from __future__ import annotations

from argosy.api.http.routes import RouteSpec
from argosy.api.rerank.cohere import CohereRoute, RerankBody, RerankReply
from argosy.api.rerank.errors import COHERE, TEI, RerankError, TeiError
from argosy.api.rerank.tei import Rank, TeiRerankBody, TeiRoute
from argosy.server.catalog.catalog import Catalog
from argosy.server.dataplane.rank import Ranker

_TAG = "Rerank"
COHERE_PATHS = ("/v2/rerank", "/v1/rerank")
TEI_PATH = "/rerank"


class RerankRoutes:
    """Builds the dialects' routes over the server."""

    def __init__(self, catalog: Catalog, ranker: Ranker) -> None:
        self._cohere = CohereRoute(catalog, ranker)
        self._tei = TeiRoute(catalog, ranker)

    def routes(self) -> list[RouteSpec]:
        """All of them."""
        cohere = [
            RouteSpec(
                "POST",
                path,
                self._cohere.create,
                "Sort documents by a query (Cohere, Jina)",
                _TAG,
                COHERE,
                RerankReply,
                RerankBody,
                fields=tuple(self._cohere.fields()),
                error=RerankError,
            )
            for path in COHERE_PATHS
        ]
        tei = RouteSpec(
            "POST",
            TEI_PATH,
            self._tei.create,
            "Sort texts by a query (TEI)",
            _TAG,
            TEI,
            Rank,
            TeiRerankBody,
            fields=tuple(self._tei.fields()),
            many=True,
            error=TeiError,
        )
        return [*cohere, tei]
