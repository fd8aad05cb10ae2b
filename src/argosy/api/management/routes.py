"""The routes of the management dialect."""

from __future__ import annotations

import msgspec

from argosy.api.http.routes import Endpoint, QueryParameter, RouteSpec
from argosy.api.management.errors import ERRORS, Problem
from argosy.api.management.job_messages import JobBody, JobList, JobReply
from argosy.api.management.jobs import PATH as JOBS
from argosy.api.management.jobs import JobRoutes
from argosy.api.management.profiles import ProfilesReply, ProfilesRoute
from argosy.server.jobs.contract import Jobs
from argosy.server.profiles.board import ProfileBoard

_TAG = "Management"


class ManagementRoutes:
    """Builds the dialect's routes over the server.

    Args:
        profiles: judges the models' profiles.
        jobs: None where no jobs are taken.
    """

    def __init__(self, profiles: ProfileBoard, jobs: Jobs | None = None) -> None:
        self._profiles = ProfilesRoute(profiles)
        self._jobs = JobRoutes(jobs)

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
            ),
            *self._of_jobs(),
        ]

    def _of_jobs(self) -> list[RouteSpec]:
        jobs = self._jobs
        return [
            RouteSpec(
                "POST",
                JOBS,
                jobs.submit,
                "Order a conversion or a configuration search",
                _TAG,
                ERRORS,
                JobReply,
                JobBody,
                error=Problem,
                statuses=(429,),
                fields=tuple(jobs.fields()),
                status=202,
            ),
            RouteSpec(
                "GET",
                JOBS,
                jobs.list,
                "The jobs, newest first",
                _TAG,
                ERRORS,
                JobList,
                error=Problem,
                query=(
                    QueryParameter("state", "queued, running, succeeded, failed or cancelled; may be given again."),
                ),
            ),
            self._of_job("GET", "", jobs.show, "How far a job is, and what came of it", JobReply),
            self._of_job("GET", "/events", jobs.events, "What happens to a job, as it happens", "text/event-stream"),
            self._of_job("POST", "/cancel", jobs.cancel, "End a job", JobReply),
            self._of_job("GET", "/report", jobs.report, "The page about a job", "text/html"),
        ]

    def _of_job(
        self, method: str, rest: str, endpoint: Endpoint, summary: str, reply: type[msgspec.Struct] | str
    ) -> RouteSpec:
        return RouteSpec(method, f"{JOBS}/{{id}}{rest}", endpoint, summary, _TAG, ERRORS, reply, error=Problem)
