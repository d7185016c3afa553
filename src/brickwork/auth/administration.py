"""The routes for a tenant's administrators: members, groups, service accounts, keys, roles and permissions."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, WithJsonSchema

from brickwork.auth.policy import Role
from brickwork.errors import NotFoundError, ValidationError
from brickwork.kernel.ids import parse_id

if TYPE_CHECKING:
    from brickwork.auth.service import Auth
    from brickwork.kernel.platform import Platform
    from brickwork.web.endpoint import Call, Endpoint

TAG = "auth"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MemberModel(BaseModel):
    """A member with the roles given to it directly."""

    id: UUID
    email: str
    name: str
    disabled: bool
    roles: list[str]
    attributes: dict[str, Any]
    person: str | None


class InvitationBody(_Model):
    email: str = Field(max_length=320)
    roles: list[str] = Field([], max_length=50)


class InvitationModel(BaseModel):
    """Somebody who was asked to join. The token travels by mail only."""

    id: UUID
    email: str
    roles: list[str]
    expires_at: datetime


class ReasonBody(_Model):
    reason: str = Field(min_length=1, max_length=2000)


class TokenModel(BaseModel):
    """A token, shown this once."""

    token: str
    expires_at: datetime | None


class TitleBody(_Model):
    title: str = Field("", max_length=200)


class ServiceBody(_Model):
    name: str = Field(max_length=64)
    roles: list[str] = Field([], max_length=50)
    attributes: dict[str, Any] = {}


class KeyBody(_Model):
    """A key of `subject`, or of the caller. It ends after `days`; null never."""

    name: str = Field(max_length=200)
    subject: str | None = Field(None, max_length=80)
    scopes: list[str] | None = Field(None, max_length=100)
    days: int | None = Field(365, ge=1, le=3650)


class RotateBody(_Model):
    """Hours for which the old key is good yet."""

    overlap_hours: float = Field(24, ge=0, le=24 * 30)


class KeyModel(BaseModel):
    """A key; `token` is there only when it is made."""

    id: UUID
    name: str
    subject: str
    scopes: list[str] | None
    ending: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None
    token: str | None


class KeyQuery(_Model):
    """Whose keys; left out, everybody's."""

    subject: str | None = Field(None, max_length=80)


class PageQuery(_Model):
    limit: int = Field(50, ge=1, le=500)
    cursor: str | None = Field(None, max_length=4000)


class UntilBody(_Model):
    until: AwareDatetime | None = None


class AssignmentQuery(_Model):
    subject: str | None = Field(None, max_length=80)
    role: str | None = Field(None, max_length=64)


class AssignmentModel(BaseModel):
    subject: str
    role: str
    until: datetime | None


class PermissionModel(BaseModel):
    name: str
    title: str


class ExplainBody(_Model):
    """A question: may this subject do that, to a resource with these values?"""

    subject: str = Field(max_length=80)
    permission: str = Field(max_length=200)
    resource: dict[str, Any] | None = None


class VerdictModel(BaseModel):
    """The answer, the rule that gave it, and all that were looked at."""

    allowed: bool
    permission: str
    because: str
    considered: list[str]


_ROLE = {"type": "object", "description": Role.__doc__, "properties": {"name": {"type": "string"}}}
RoleDocument = Annotated[dict[str, Any], WithJsonSchema(_ROLE)]


class Administration:
    """The handlers. The services behind them ask for permissions."""

    def __init__(self, auth: "Auth") -> None:
        self._auth = auth

    def members(self, call: "Call") -> Any:
        from brickwork.web.endpoint import Reply

        page = self._auth.members.list(limit=call.query.limit, cursor=call.query.cursor)
        data = [
            {"id": m.user.id, "email": m.user.email, "name": m.user.name, "disabled": m.user.disabled, "roles": list(m.roles),
             "attributes": dict(m.attributes), "person": m.person}
            for m in page.items
        ]  # fmt: skip
        return Reply(data, page={"cursor": page.cursor, "limit": call.query.limit})

    def invite(self, call: "Call") -> dict[str, Any]:
        return _dump(InvitationModel, self._auth.members.invite(call.body.email, roles=call.body.roles))

    def impersonate(self, call: "Call") -> dict[str, Any]:
        signed = self._auth.sessions.impersonate(call.path["user"], reason=call.body.reason)
        return {"token": signed.token, "expires_at": signed.expires_at}

    def put_group(self, call: "Call") -> None:
        self._auth.groups.create(call.path["name"], call.body.title)

    def services(self, call: "Call") -> Sequence[str]:
        return self._auth.services.list()

    def add_service(self, call: "Call") -> dict[str, str]:
        body: ServiceBody = call.body
        return {"subject": self._auth.services.create(body.name, roles=body.roles, attributes=body.attributes)}

    def keys(self, call: "Call") -> list[dict[str, Any]]:
        return [_dump(KeyModel, key) for key in self._auth.keys.list(call.query.subject)]

    def add_key(self, call: "Call") -> dict[str, Any]:
        body: KeyBody = call.body
        lifetime = timedelta(days=body.days) if body.days is not None else None
        subject = body.subject or self._auth.current.actor
        return _dump(KeyModel, self._auth.keys.create(subject, body.name, scopes=body.scopes, lifetime=lifetime))

    def rotate(self, call: "Call") -> dict[str, Any]:
        return _dump(KeyModel, self._auth.keys.rotate(call.path["id"], overlap=timedelta(hours=call.body.overlap_hours)))

    def put_role(self, call: "Call") -> dict[str, Any]:
        body: dict[str, Any] = call.body
        if body.setdefault("name", call.path["name"]) != call.path["name"]:
            raise ValidationError("the role's name is not the one in the path", field="name")
        return _role(self._auth.roles.define(body))

    def assign(self, call: "Call") -> None:
        self._auth.roles.assign(call.path["name"], call.path["subject"], until=call.body.until)

    def assignments(self, call: "Call") -> list[dict[str, Any]]:
        found = self._auth.roles.assignments(subject=call.query.subject, role=call.query.role)
        return [_dump(AssignmentModel, one) for one in found]

    def explain(self, call: "Call") -> dict[str, Any]:
        body: ExplainBody = call.body
        return _dump(VerdictModel, self._auth.explain(body.subject, body.permission, body.resource))


def endpoints(platform: "Platform") -> "Sequence[Endpoint]":
    """The routes below /api/v1."""
    from functools import partial

    from brickwork.web.endpoint import SIGNED_IN, Endpoint

    auth, desk = platform.auth, Administration(platform.auth)
    route = partial(Endpoint, tag=TAG)
    member, group, role = "/auth/members/{user}", "/auth/groups/{name}", "/auth/roles/{name}"
    return [
        route(method="GET", path="/auth/members", handler=desk.members, permission="auth.members.read", query=PageQuery,
              returns=list[MemberModel], paged=True, summary="The tenant's members"),
        route(method="DELETE", path=member, handler=lambda call: auth.members.remove(call.path["user"]),
              permission="auth.members.write", summary="End a membership", status=204),
        route(method="POST", path=member + "/impersonate", handler=desk.impersonate, permission="auth.members.impersonate",
              summary="Act as a member", body=ReasonBody, returns=TokenModel, status=201, secret=True),
        route(method="GET", path="/auth/invitations", permission="auth.members.read", returns=list[InvitationModel],
              handler=lambda call: [_dump(InvitationModel, one) for one in auth.members.invitations()],
              summary="Invitations that wait"),
        route(method="POST", path="/auth/invitations", handler=desk.invite, permission="auth.members.write", body=InvitationBody,
              returns=InvitationModel, status=201, summary="Ask somebody to join"),
        route(method="DELETE", path="/auth/invitations/{id}", handler=lambda call: auth.members.withdraw(_id(call)),
              permission="auth.members.write", summary="Take an invitation back", status=204),
        route(method="GET", path="/auth/groups", handler=lambda call: auth.groups.list(), permission="auth.groups.read",
              returns=dict[str, list[str]], summary="Groups and their members"),
        route(method="PUT", path=group, handler=desk.put_group, permission="auth.groups.write", body=TitleBody, status=204,
              summary="Make a group", errors=(409,)),
        route(method="DELETE", path=group, handler=lambda call: auth.groups.remove(call.path["name"]),
              permission="auth.groups.write", summary="Remove a group", status=204),
        route(method="PUT", path=group + "/members/{subject}", permission="auth.groups.write", status=204,
              handler=lambda call: auth.groups.add(call.path["name"], call.path["subject"]), summary="Put somebody into a group"),
        route(method="DELETE", path=group + "/members/{subject}", permission="auth.groups.write", status=204,
              handler=lambda call: auth.groups.discard(call.path["name"], call.path["subject"]),
              summary="Take somebody out of a group"),
        route(method="GET", path="/auth/services", handler=desk.services, permission="auth.services.read", returns=list[str],
              summary="Service accounts"),
        route(method="POST", path="/auth/services", handler=desk.add_service, permission="auth.services.write", body=ServiceBody,
              returns=dict[str, str], status=201, summary="Make a service account"),
        route(method="DELETE", path="/auth/services/{name}", permission="auth.services.write", status=204,
              handler=lambda call: auth.services.disable(call.path["name"]), summary="Let a service in no more"),
        route(method="GET", path="/auth/keys", handler=desk.keys, permission=SIGNED_IN, query=KeyQuery, returns=list[KeyModel],
              summary="API keys"),
        route(method="POST", path="/auth/keys", handler=desk.add_key, permission=SIGNED_IN, body=KeyBody, returns=KeyModel,
              status=201, summary="Make an API key", secret=True),
        route(method="POST", path="/auth/keys/{id}/rotate", handler=desk.rotate, permission=SIGNED_IN, body=RotateBody,
              returns=KeyModel, status=201, summary="A new key in place of an old one", errors=(409,), secret=True),
        route(method="DELETE", path="/auth/keys/{id}", handler=lambda call: auth.keys.revoke(call.path["id"]),
              permission=SIGNED_IN, summary="Revoke an API key", status=204),
        route(method="GET", path="/auth/roles", handler=lambda call: [_role(one) for one in auth.roles.list()],
              permission="auth.roles.read", returns=list[RoleDocument], summary="Roles"),
        route(method="PUT", path=role, handler=desk.put_role, permission="auth.roles.write", body=RoleDocument,
              returns=RoleDocument, summary="Put a role into force"),
        route(method="DELETE", path=role, handler=lambda call: auth.roles.remove(call.path["name"]),
              permission="auth.roles.write", status=204, errors=(409,), summary="Forget the tenant's definition of a role"),
        route(method="PUT", path=role + "/holders/{subject}", handler=desk.assign, permission="auth.roles.assign",
              body=UntilBody, status=204, summary="Give a role"),
        route(method="DELETE", path=role + "/holders/{subject}", permission="auth.roles.assign", status=204,
              handler=lambda call: auth.roles.withdraw(call.path["name"], call.path["subject"]), summary="Take a role away"),
        route(method="GET", path="/auth/assignments", handler=desk.assignments, permission="auth.roles.read",
              query=AssignmentQuery, returns=list[AssignmentModel], summary="Who has which role"),
        route(method="GET", path="/auth/permissions", permission="auth.roles.read", returns=list[PermissionModel],
              handler=lambda call: [one.model_dump() for one in auth.roles.permissions()], summary="What can be granted"),
        route(method="PUT", path="/auth/permissions/{name}", permission="auth.roles.write", body=TitleBody,
              handler=lambda call: auth.roles.define_permission(call.path["name"], call.body.title).model_dump(),
              returns=PermissionModel, summary="Define a permission of the tenant's own"),
        route(method="POST", path="/auth/explain", handler=desk.explain, permission=SIGNED_IN, body=ExplainBody,
              returns=VerdictModel, summary="Why somebody may do something or not"),
    ]  # fmt: skip


def _id(call: "Call") -> UUID:
    id = parse_id(call.path["id"])
    if id is None:
        raise NotFoundError(f"there is nothing with the id {call.path['id'][:80]!r}")
    return id


def _dump(kind: type[BaseModel], value: object) -> dict[str, Any]:
    return kind.model_validate(value, from_attributes=True).model_dump(mode="json")


def _role(role: Role) -> dict[str, Any]:
    return role.model_dump(mode="json", exclude_defaults=True)
