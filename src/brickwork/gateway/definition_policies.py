"""What a gateway does with requests and answers on their way: the policies of a definition.

A policy stands at the gateway, at a service or at a route. The narrowest one of a kind holds, whole; `null` lifts a wider one.
"""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, field_validator, model_validator

from brickwork.errors import ValidationError
from brickwork.limits.rate import Rate

#: A token of RFC 9110, 5.6.2; a header's name or a method.
Token = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")]
#: A header's value: visible ASCII, spaces and tabs, so that it can't break out of its line (RFC 9110, 5.5).
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[\t\x20-\x7e]{0,4000}$")]
#: A member of a JSON object, dotted: "patient.name".
JsonPath = Annotated[str, StringConstraints(pattern=r"^[^.\s]+(\.[^.\s]+)*$", max_length=200)]
Network = IPv4Network | IPv6Network
_FRAMING = frozenset(
    ("connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "via")
)


class Model(BaseModel):
    """Unknown keys are refused, values are fixed once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RateLimitPolicy(Model):
    """So many requests in so much time; more are answered 429 with `Retry-After`."""

    #: "100/minute", "10/30s"; `burst` of them at once (by default all of them).
    rate: str
    burst: int | None = Field(None, ge=1)
    #: What is counted apart: the client's address, the signed-in user or service, its tenant, the API key, or a header's value.
    #: Who is not signed in, or sends no such header, counts by address.
    by: Literal["address", "user", "tenant", "key", "header"] = "address"
    header: Token | None = None

    @field_validator("rate")
    @classmethod
    def _is_a_rate(cls, value: str) -> str:
        try:
            Rate.parse(value)
        except ValidationError as error:
            raise ValueError(error.message) from None
        return value

    @model_validator(mode="after")
    def _names_its_header(self) -> "RateLimitPolicy":
        if (self.by == "header") != (self.header is not None):
            raise ValueError("by: header and header: NAME go together")
        return self


class AuthPolicy(Model):
    """Who may pass. Without the `auth` component such a definition is refused."""

    #: "jwt": an access token; "key": an API key; "any": any of these or a session; "none": everybody.
    required: Literal["jwt", "key", "any", "none"] = "any"
    #: What the caller must be allowed to do.
    permission: str | None = Field(None, max_length=200)
    #: Tell the upstream who calls, in `X-Actor` and `X-Tenant`. Those that clients send never reach it.
    identity_headers: bool = False

    @model_validator(mode="after")
    def _asks_somebody(self) -> "AuthPolicy":
        if self.required == "none" and (self.permission or self.identity_headers):
            raise ValueError("required: none goes without permission and identity_headers")
        return self


class CorsPolicy(Model):
    """Which pages of other origins may call (the Fetch standard, CORS protocol). Preflights are answered by the gateway."""

    #: "https://app.example.org", or "*".
    origins: tuple[str, ...] = Field(min_length=1)
    methods: tuple[Token, ...] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
    headers: tuple[Token, ...] = ("Authorization", "Content-Type", "Idempotency-Key", "If-Match")
    expose: tuple[Token, ...] = ()
    credentials: bool = False
    #: Seconds for which a browser may remember a preflight.
    max_age: int = Field(600, ge=0, le=86_400)

    @model_validator(mode="after")
    def _not_everybody_with_cookies(self) -> "CorsPolicy":
        if self.credentials and "*" in self.origins:
            raise ValueError("credentials need named origins: with '*' every site could act as its visitors")
        return self


class CorrelationPolicy(Model):
    """The header that joins what a request does in several services. Without this policy it is X-Correlation-Id, echoed."""

    header: Token = "X-Correlation-Id"
    #: Whether the client is told.
    echo: bool = True


class HeaderChanges(Model):
    """Changes of headers, in this order. `set` replaces, `add` adds one more."""

    remove: tuple[Token, ...] = ()
    rename: dict[Token, Token] = {}
    set: dict[Token, HeaderValue] = {}
    add: dict[Token, HeaderValue] = {}

    @model_validator(mode="after")
    def _leaves_the_framing(self) -> "HeaderChanges":
        for name in (*self.remove, *self.rename, *self.rename.values(), *self.set, *self.add):
            if name.lower() in _FRAMING:
                raise ValueError(f"{name} can't be changed: it says how messages are framed and connections are used")
        return self


class QueryChanges(Model):
    """Changes of the query string, in this order."""

    remove: tuple[str, ...] = ()
    rename: dict[str, str] = {}
    set: dict[str, str] = {}
    add: dict[str, str] = {}


class JsonChanges(Model):
    """Changes of a JSON object, in this order. A body with them is read whole; other media types pass unchanged."""

    #: Where given, nothing else is kept.
    keep: tuple[JsonPath, ...] | None = None
    remove: tuple[JsonPath, ...] = ()
    #: From old to new place.
    rename: dict[JsonPath, JsonPath] = {}
    set: dict[JsonPath, JsonValue] = {}
    #: Largest body, in bytes, that is read for it.
    max_bytes: int = Field(1_000_000, ge=1, le=100_000_000)


class RequestTransform(Model):
    """What is changed before the upstream sees a request."""

    headers: HeaderChanges = HeaderChanges()
    query: QueryChanges = QueryChanges()
    body: JsonChanges | None = None


class ResponseTransform(Model):
    """What is changed before the client sees an answer."""

    headers: HeaderChanges = HeaderChanges()
    body: JsonChanges | None = None


class SizePolicy(Model):
    """Largest bodies, in bytes: larger requests are answered 413; a larger answer is 502, or cut where it had begun."""

    request_bytes: int | None = Field(None, ge=0)
    response_bytes: int | None = Field(None, ge=0)


class SecurityHeaders(Model):
    """Headers that hold browsers to the safe side (OWASP Secure Headers Project). What an upstream sends itself stays."""

    #: Seconds of Strict-Transport-Security; 0 leaves it out.
    hsts: int = Field(31_536_000, ge=0)
    content_security_policy: HeaderValue | None = None
    frame_options: Literal["DENY", "SAMEORIGIN"] | None = "DENY"
    referrer_policy: HeaderValue | None = "no-referrer"
    permissions_policy: HeaderValue | None = None


class IpPolicy(Model):
    """Which addresses may call: none of `deny`, and where `allow` has any, one of them."""

    allow: tuple[Network, ...] = ()
    deny: tuple[Network, ...] = ()


class Policies(Model):
    """At most one policy of each kind."""

    rate_limit: RateLimitPolicy | None = None
    auth: AuthPolicy | None = None
    cors: CorsPolicy | None = None
    correlation_id: CorrelationPolicy | None = None
    request_transform: RequestTransform | None = None
    response_transform: ResponseTransform | None = None
    size: SizePolicy | None = None
    #: Seconds for a whole exchange, streams and WebSockets included.
    time_limit: float | None = Field(None, gt=0)
    security_headers: SecurityHeaders | None = None
    ip: IpPolicy | None = None

    def over(self, wider: "Policies") -> "Policies":
        """These policies, and of the kinds that are not mentioned here, the wider ones."""
        mentioned: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        return wider.model_copy(update=mentioned)
