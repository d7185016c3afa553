"""The HTTP routes of limits: how the caller stands, and what the tenant has used."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.limits.admission import Standing
    from brickwork.web.endpoint import Call, Endpoint

TAG = "limits"


class StandingModel(BaseModel):
    """A rule that counts for the caller: so many calls in so many seconds, what is left of them, and in how many seconds all are
    there again."""

    name: str
    kind: Literal["rate", "quota"]
    per: str
    limit: int
    window: int
    remaining: int
    reset: int


class StandingsModel(BaseModel):
    """The caller's plan, null where nothing is limited."""

    plan: str | None
    rules: list[StandingModel]


class UseModel(BaseModel):
    """What somebody has used of a quota."""

    quota: str
    holder: str
    window: str
    used: int
    ends_at: datetime


def endpoints(platform: "Platform") -> "Sequence[Endpoint]":
    """The routes below /api/v1."""
    from brickwork.web.endpoint import SIGNED_IN, Endpoint

    limits = platform.limits

    def standings(call: "Call") -> dict[str, Any]:
        from brickwork.limits.admission import Caller

        context = platform.contexts.current
        identity = platform.auth.identify(call.headers)
        caller = Caller(context.tenant, context.actor, identity.key if identity else "", call.address)
        admission = limits.standing(caller)
        if admission is None:
            return {"plan": None, "rules": []}
        return {"plan": admission.plan, "rules": [_json(standing) for standing in admission.standings]}

    def usage(call: "Call") -> list[dict[str, Any]]:
        return [
            {"quota": use.quota, "holder": use.holder, "window": use.window, "used": use.used, "ends_at": use.ends_at}
            for use in limits.usage()
        ]

    return [
        Endpoint(
            method="GET",
            path="/limits",
            handler=standings,
            summary="The caller's plan, and what is left of it",
            tag=TAG,
            permission=SIGNED_IN,
            returns=StandingsModel,
        ),
        Endpoint(
            method="GET",
            path="/limits/usage",
            handler=usage,
            summary="What of its quotas the tenant has used, and who",
            tag=TAG,
            permission="limits.read",
            returns=list[UseModel],
        ),
    ]


def _json(standing: "Standing") -> dict[str, Any]:
    kind = "quota" if standing.quota else "rate"
    return {"name": standing.name, "kind": kind, "per": standing.per, "limit": standing.limit, "window": standing.window,
            "remaining": standing.remaining, "reset": standing.reset}  # fmt: skip
