"""The HTTP routes of jobs: runs and schedules."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from brickwork.errors import ValidationError
from brickwork.jobs.job import RunState
from brickwork.jobs.schedules import Schedule
from brickwork.jobs.triggers import Misfire, Trigger

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.web.endpoint import Call, Endpoint

TAG = "jobs"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RunQuery(_Model):
    """Which runs: of a job, in a state."""

    job: str | None = Field(None, max_length=120)
    status: str | None = Field(None, pattern="^(waiting|running|done|failed|cancelled)$")
    limit: int = Field(50, ge=1, le=500)
    cursor: str | None = Field(None, max_length=4000)


class RunIn(_Model):
    """A run to ask for; `at` is when, now if left out."""

    job: str = Field(max_length=120)
    arguments: dict[str, Any] = {}
    at: AwareDatetime | None = None


class ScheduleIn(_Model):
    """A schedule to make or change."""

    job: str = Field(max_length=120)
    trigger: Trigger
    misfire: Misfire = "once"
    arguments: dict[str, Any] = {}


def _id(call: "Call") -> UUID:
    try:
        return UUID(call.path["id"])
    except ValueError:
        raise ValidationError(f"{call.path['id'][:80]!r} is no id of a run", field="id") from None


def endpoints(platform: "Platform") -> "Sequence[Endpoint]":
    """The routes below /api/v1."""
    from brickwork.web.endpoint import Endpoint, Reply

    jobs = platform.jobs

    def runs(call: "Call") -> Reply:
        query = call.query
        page = jobs.list(job=query.job, status=query.status, limit=query.limit, cursor=query.cursor)
        data = [run.model_dump(mode="json") for run in page.items]
        return Reply(data, page={"cursor": page.cursor, "limit": query.limit})

    def ask(call: "Call") -> dict[str, Any]:
        id = jobs.enqueue(call.body.job, arguments=call.body.arguments, at=call.body.at)
        return jobs.get(id).model_dump(mode="json")

    def put(call: "Call") -> dict[str, Any]:
        made = call.body
        name = call.path["name"]
        schedule = jobs.schedules.put(name, made.job, made.trigger, misfire=made.misfire, arguments=made.arguments)
        return schedule.model_dump(mode="json")

    def remove(call: "Call") -> None:
        jobs.schedules.remove(call.path["name"])

    one, schedule = "/jobs/runs/{id}", "/jobs/schedules/{name}"
    return [
        Endpoint(
            method="GET",
            path="/jobs/runs",
            handler=runs,
            summary="Runs, the newest first",
            tag=TAG,
            permission="jobs.read",
            query=RunQuery,
            returns=list[RunState],
            paged=True,
        ),
        Endpoint(
            method="POST",
            path="/jobs/runs",
            handler=ask,
            summary="Ask for a run",
            tag=TAG,
            permission="jobs.write",
            body=RunIn,
            returns=RunState,
            status=201,
            errors=(404,),
        ),
        Endpoint(
            method="GET",
            path=one,
            handler=lambda call: jobs.get(_id(call)).model_dump(mode="json"),
            summary="A run and how far it is",
            tag=TAG,
            permission="jobs.read",
            returns=RunState,
            errors=(404,),
        ),
        Endpoint(
            method="POST",
            path=one + "/cancel",
            handler=lambda call: jobs.cancel(_id(call)).model_dump(mode="json"),
            summary="End a run",
            tag=TAG,
            permission="jobs.write",
            returns=RunState,
            errors=(404, 409),
        ),
        Endpoint(
            method="GET",
            path="/jobs/schedules",
            handler=lambda call: [made.model_dump(mode="json") for made in jobs.schedules.list()],
            summary="Schedules, by name",
            tag=TAG,
            permission="jobs.read",
            returns=list[Schedule],
        ),
        Endpoint(
            method="PUT",
            path=schedule,
            handler=put,
            summary="Make or change a schedule",
            tag=TAG,
            permission="jobs.write",
            body=ScheduleIn,
            returns=Schedule,
            errors=(404,),
        ),
        Endpoint(
            method="DELETE",
            path=schedule,
            handler=remove,
            summary="End a schedule",
            tag=TAG,
            permission="jobs.write",
            status=204,
            errors=(404,),
        ),
    ]
