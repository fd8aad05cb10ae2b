"""The routes of the management dialect."""

from __future__ import annotations

from argosy.api.http.routes import QueryParameter, RouteSpec
from argosy.api.management.errors import ERRORS, Problem
from argosy.api.management.profiles import ProfilesReply, ProfilesRoute
from argosy.server.profiles.board import ProfileBoard

_TAG = "Management"


class ManagementRoutes:
    """Builds the dialect's routes over the server."""

    def __init__(self, profiles: ProfileBoard) -> None:
        self._profiles = ProfilesRoute(profiles)

    def routes(self) -> list[RouteSpec]:
        """All of them."""
        return [
            RouteSpec(
                "GET",
                "/api/v1/profiles",
                self._profiles.list,
                "The machine, and how each model can run on it",
                _TAG,
                ERRORS,
                ProfilesReply,
                error=Problem,
                statuses=(504,),
                query=(QueryParameter("model", "Public name of a model; may be given again. All when left out."),),
            )
        ]
