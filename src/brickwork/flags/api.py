"""The HTTP routes of flags: what they come to for the caller, and what the caller's tenant has differently."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from brickwork.flags.state import Override
    from brickwork.kernel.platform import Platform
    from brickwork.web.endpoint import Call, Endpoint

TAG = "flags"


class OverrideBody(BaseModel):
    """What to serve to the tenant, why, and until when."""

    model_config = ConfigDict(extra="forbid")

    variant: str = Field(max_length=100)
    reason: str = Field(min_length=1, max_length=2000)
    until: AwareDatetime | None = None


class OverrideModel(OverrideBody):
    """What the tenant has differently."""

    key: str


def endpoints(platform: "Platform") -> "Sequence[Endpoint]":
    """The routes below /api/v1."""
    from brickwork.web.endpoint import Endpoint

    flags = platform.flags

    def overrides(call: "Call") -> list[dict[str, Any]]:
        return [_json(key, own) for key, own in sorted(flags.overrides().items())]

    def override(call: "Call") -> dict[str, Any]:
        key, wanted = call.path["key"], call.body
        flags.override(key, wanted.variant, reason=wanted.reason, until=wanted.until)
        return _json(key, wanted)

    def revoke(call: "Call") -> None:
        flags.revoke(call.path["key"])

    return [
        Endpoint(
            method="GET",
            path="/flags",
            handler=lambda call: flags.values(),
            summary="What each flag comes to for the caller",
            tag=TAG,
            permission="flags.read",
            returns=dict[str, Any],
        ),
        Endpoint(
            method="GET",
            path="/flags/overrides",
            handler=overrides,
            summary="What the tenant has differently",
            tag=TAG,
            permission="flags.read",
            returns=list[OverrideModel],
        ),
        Endpoint(
            method="PUT",
            path="/flags/overrides/{key}",
            handler=override,
            summary="Serve a variant to the tenant",
            tag=TAG,
            permission="flags.override",
            body=OverrideBody,
            returns=OverrideModel,
            errors=(404,),
        ),
        Endpoint(
            method="DELETE",
            path="/flags/overrides/{key}",
            handler=revoke,
            summary="End the tenant's override",
            tag=TAG,
            permission="flags.override",
            status=204,
        ),
    ]


def _json(key: str, own: "Override | OverrideBody") -> dict[str, Any]:
    return {"key": key, "variant": own.variant, "reason": own.reason, "until": own.until.isoformat() if own.until else None}
