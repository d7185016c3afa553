"""The settings of Kong's plugins, as Kong documents them for 3.x (developer.konghq.com/plugins, the reference of each plugin).
Neither Kong's JSON Schema nor deck looks into them, so they are checked here."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
#: "name:value"; the name goes to the first colon.
Pair = Annotated[str, StringConstraints(pattern=r"^[^:\r\n]+:[^\r\n]*$")]
Method = Literal["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"]


class Plugin(BaseModel):
    """Settings of one plugin; what is not set is left to Kong."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    plugin: ClassVar[str]

    def entity(self) -> dict[str, Any]:
        """As an entity of the declarative configuration."""
        return {"name": self.plugin, "config": self.model_dump(mode="json", exclude_unset=True)}


class RateLimiting(Plugin):
    plugin = "rate-limiting"

    second: int | None = Field(None, gt=0)
    minute: int | None = Field(None, gt=0)
    hour: int | None = Field(None, gt=0)
    day: int | None = Field(None, gt=0)
    month: int | None = Field(None, gt=0)
    year: int | None = Field(None, gt=0)
    limit_by: Literal["consumer", "credential", "ip", "service", "header", "path", "consumer-group"] = "consumer"
    header_name: HeaderName | None = None
    policy: Literal["local", "cluster", "redis"] = "local"
    fault_tolerant: bool = True
    hide_client_headers: bool = False
    error_code: int = Field(429, ge=400, le=599)

    @model_validator(mode="after")
    def _limits(self) -> Self:
        given = [getattr(self, period) for period in ("second", "minute", "hour", "day", "month", "year")]
        given = [limit for limit in given if limit is not None]
        if not given or given != sorted(given):
            raise ValueError("at least one limit, and none lower than that of a shorter period")
        if (self.limit_by == "header") != (self.header_name is not None):
            raise ValueError("limit_by: header and header_name go together")
        return self


class Jwt(Plugin):
    plugin = "jwt"

    key_claim_name: str = "iss"
    claims_to_verify: list[Literal["exp", "nbf"]] | None = None
    header_names: list[HeaderName] = ["authorization"]
    uri_param_names: list[str] = ["jwt"]
    cookie_names: list[str] = []
    secret_is_base64: bool = False
    run_on_preflight: bool = True
    maximum_expiration: int = Field(0, ge=0, le=31_536_000)
    anonymous: str | None = None

    @model_validator(mode="after")
    def _expires(self) -> Self:
        if self.maximum_expiration and "exp" not in (self.claims_to_verify or []):
            raise ValueError("maximum_expiration takes claims_to_verify: [exp]")
        return self


class Oauth2Introspection(Plugin):
    """Kong Enterprise's."""

    plugin = "oauth2-introspection"

    introspection_url: str = Field(pattern=r"^https?://")
    #: The value of the Authorization header; a reference to a vault, so that no secret stands in the file.
    authorization_value: str = Field(pattern=r"^\{vault://.+\}$")
    token_type_hint: str | None = None
    ttl: int = Field(30, ge=0)
    hide_credentials: bool = False
    run_on_preflight: bool = True
    consumer_by: Literal["client_id", "username"] = "username"
    anonymous: str | None = None


class KeyAuth(Plugin):
    plugin = "key-auth"

    key_names: list[HeaderName] = Field(["apikey"], min_length=1)
    key_in_header: bool = True
    key_in_query: bool = True
    key_in_body: bool = False
    hide_credentials: bool = False
    run_on_preflight: bool = True
    anonymous: str | None = None


class CorrelationId(Plugin):
    plugin = "correlation-id"

    header_name: HeaderName = "Kong-Request-ID"
    generator: Literal["uuid", "uuid#counter", "tracker"] = "uuid#counter"
    echo_downstream: bool = False


class Cors(Plugin):
    plugin = "cors"

    #: "*", an origin, or where it has other characters than A-Z a-z 0-9 . : / - a regular expression.
    origins: list[str] | None = None
    methods: list[Method] | None = None
    headers: list[HeaderName] | None = None
    exposed_headers: list[HeaderName] | None = None
    credentials: bool = False
    max_age: int | None = Field(None, ge=0)
    preflight_continue: bool = False
    private_network: bool = False


class RequestNames(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    headers: list[str] | None = None
    querystring: list[str] | None = None
    body: list[str] | None = None


class RequestPairs(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    headers: list[Pair] | None = None
    querystring: list[Pair] | None = None
    body: list[Pair] | None = None


class RequestTransformer(Plugin):
    """Works in the order of its fields. `replace` changes what is there, `add` what is not, `append` always adds one more."""

    plugin = "request-transformer"

    remove: RequestNames | None = None
    rename: RequestPairs | None = None
    replace: RequestPairs | None = None
    add: RequestPairs | None = None
    append: RequestPairs | None = None


class ResponseNames(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    headers: list[str] | None = None


class ResponsePairs(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    headers: list[Pair] | None = None


class ResponseTransformer(Plugin):
    """As `RequestTransformer`."""

    plugin = "response-transformer"

    remove: ResponseNames | None = None
    rename: ResponsePairs | None = None
    replace: ResponsePairs | None = None
    add: ResponsePairs | None = None
    append: ResponsePairs | None = None


class RequestTermination(Plugin):
    plugin = "request-termination"

    status_code: int = Field(503, ge=100, le=599)
    message: str | None = None
    content_type: str | None = None
    body: str | None = None

    @model_validator(mode="after")
    def _one_text(self) -> Self:
        if self.message is not None and (self.body is not None or self.content_type is not None):
            raise ValueError("message goes without body and content_type")
        if self.content_type is not None and self.body is None:
            raise ValueError("content_type takes a body")
        return self


class RequestSizeLimiting(Plugin):
    plugin = "request-size-limiting"

    allowed_payload_size: int = Field(128, ge=0)
    size_unit: Literal["megabytes", "kilobytes", "bytes"] = "megabytes"
    require_content_length: bool = False


class IpRestriction(Plugin):
    plugin = "ip-restriction"

    allow: list[str] | None = None
    deny: list[str] | None = None
    status: int | None = Field(None, ge=400, le=599)
    message: str | None = None

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.allow and not self.deny:
            raise ValueError("at least one of allow and deny")
        return self
