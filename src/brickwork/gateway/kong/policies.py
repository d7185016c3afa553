"""Policies of a definition as Kong's plugins."""

from collections.abc import Mapping
from datetime import UTC, datetime, time
from email.utils import format_datetime
from typing import Any, get_args

from brickwork.gateway.definition import Version
from brickwork.gateway.definition_policies import (
    AuthPolicy,
    CorrelationPolicy,
    CorsPolicy,
    HeaderChanges,
    Policies,
    RateLimitPolicy,
    RequestTransform,
    SecurityHeaders,
)
from brickwork.gateway.kong import plugins
from brickwork.gateway.kong.findings import Findings
from brickwork.gateway.kong.options import KongOptions
from brickwork.limits.rate import Rate

#: Kong's periods, in seconds.
_PERIODS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_LIMIT_BY = {"address": "ip", "user": "consumer", "tenant": "consumer", "key": "credential", "header": "header"}
#: Begins a template in the values of the request transformer.
_TEMPLATE = "$("
_PLAIN_ORIGIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:/-")


def plugins_for(
    policies: Policies, version: Version | None, options: KongOptions, where: str, findings: Findings
) -> list[plugins.Plugin]:
    """The plugins of a route but for its rate limit. What Kong can't guard is closed."""
    made: list[plugins.Plugin | None] = [
        _correlation(policies.correlation_id or CorrelationPolicy()),
        _ip(policies),
        _cors(policies.cors, where, findings),
        *_auth(policies.auth, options, where, findings),
        _size(policies, where, findings),
        _request(policies.request_transform, where, findings),
        _response(policies, version, where, findings),
    ]
    if policies.time_limit is not None:
        findings.missing(where, "policies.time_limit: Kong limits the pauses of an exchange, not the whole")
    return [plugin for plugin in made if plugin is not None]


def rate_limiting(policy: RateLimitPolicy, where: str, findings: Findings) -> plugins.RateLimiting:
    """Kong counts in fixed windows of a second, a minute, an hour or a day."""
    rate = Rate.parse(policy.rate)
    period = next((name for name, seconds in _PERIODS.items() if seconds >= rate.per), "day")
    count = int(rate.count * _PERIODS[period] / rate.per)
    findings.different(where, "policies.rate_limit: Kong counts in fixed windows, each node by itself (policy: local)")
    if _PERIODS[period] != rate.per:
        findings.different(where, f"policies.rate_limit: {policy.rate} becomes {count} in a {period}")
    if policy.burst is not None and policy.burst != rate.count:
        findings.different(where, "policies.rate_limit.burst: Kong allows the whole of a window at once")
    if policy.by == "tenant":
        findings.missing(where, "policies.rate_limit.by: tenant: Kong knows consumers and no tenants; they are counted instead")
    given: dict[str, Any] = {period: max(count, 1), "limit_by": _LIMIT_BY[policy.by], "policy": "local"}
    if policy.header is not None:
        given["header_name"] = policy.header
    return plugins.RateLimiting(**given)


def closed(status: int, message: str) -> plugins.RequestTermination:
    """Answers every request itself."""
    return plugins.RequestTermination(status_code=status, message=message)


def _correlation(policy: CorrelationPolicy) -> plugins.Plugin:
    return plugins.CorrelationId(header_name=policy.header, generator="uuid", echo_downstream=policy.echo)


def _ip(policies: Policies) -> plugins.Plugin | None:
    ip = policies.ip
    if ip is None or not (ip.allow or ip.deny):
        return None
    given = {name: [str(network) for network in getattr(ip, name)] for name in ("allow", "deny") if getattr(ip, name)}
    return plugins.IpRestriction(**given)


def _cors(policy: CorsPolicy | None, where: str, findings: Findings) -> plugins.Plugin | None:
    if policy is None:
        return None
    known = get_args(plugins.Method)
    unknown = [method for method in policy.methods if method not in known]
    if unknown:
        findings.missing(where, f"policies.cors.methods: Kong knows no {', '.join(unknown)}")
    given: dict[str, Any] = {
        "origins": [_origin(origin) for origin in policy.origins],
        "methods": [method for method in policy.methods if method in known],
        "headers": list(policy.headers),
        "credentials": policy.credentials,
        "max_age": policy.max_age,
    }
    if policy.expose:
        given["exposed_headers"] = list(policy.expose)
    return plugins.Cors(**given)


def _origin(origin: str) -> str:
    if origin == "*" or _PLAIN_ORIGIN.issuperset(origin):
        return origin
    return "^" + "".join(char if char in _PLAIN_ORIGIN and char != "." else f"\\{char}" for char in origin) + "$"


def _auth(policy: AuthPolicy | None, options: KongOptions, where: str, findings: Findings) -> list[plugins.Plugin]:
    if policy is None or policy.required == "none":
        return []
    if policy.identity_headers:
        findings.missing(where, "policies.auth.identity_headers: Kong sends X-Consumer-* in place of X-Actor and X-Tenant")
    if policy.permission is not None:
        findings.missing(where, f"policies.auth.permission: Kong can't ask for {policy.permission}; the route is closed")
        return [closed(403, "this route is not served by Kong")]
    if policy.required == "key":
        findings.different(where, "policies.auth: Kong knows none of the platform's keys; give its consumers keys of their own")
        # a key in the URL would end up in logs
        return [plugins.KeyAuth(key_names=["x-api-key"], key_in_query=False, hide_credentials=True)]
    if policy.required == "any":
        findings.missing(where, "policies.auth.required: any: Kong takes access tokens here, and neither keys nor sessions")
    return [_tokens(options, where, findings)]


def _tokens(options: KongOptions, where: str, findings: Findings) -> plugins.Plugin:
    if options.tokens == "introspection":
        findings.different(where, "policies.auth: oauth2-introspection is a plugin of Kong Enterprise")
        reference = "{vault://env/kong-introspection-authorization}"
        assert options.introspection_url is not None  # the options have both
        return plugins.Oauth2Introspection(introspection_url=options.introspection_url, authorization_value=reference, ttl=0)
    if options.public_key is None:
        findings.different(where, "policies.auth: without the issuer's name and key, Kong refuses every token")
    return plugins.Jwt(key_claim_name="iss", claims_to_verify=["exp"], uri_param_names=[], run_on_preflight=False)


def _size(policies: Policies, where: str, findings: Findings) -> plugins.Plugin | None:
    if policies.size is None:
        return None
    if policies.size.response_bytes is not None:
        findings.missing(where, "policies.size.response_bytes: Kong does not limit answers")
    if policies.size.request_bytes is None:
        return None
    return plugins.RequestSizeLimiting(allowed_payload_size=policies.size.request_bytes, size_unit="bytes")


def _request(change: RequestTransform | None, where: str, findings: Findings) -> plugins.Plugin | None:
    if change is None:
        return None
    where = f"{where}: policies.request_transform"
    if change.body is not None:
        findings.missing(where, "Kong OSS does not change JSON bodies as declared here")
    parts: dict[str, dict[str, list[str]]] = {}
    for name, headers, query in (
        ("remove", _names(change.headers.remove), _names(change.query.remove)),
        ("rename", change.headers.rename, change.query.rename),
        ("replace", change.headers.set, change.query.set),
        ("add", change.headers.set, change.query.set),
        ("append", change.headers.add, change.query.add),
    ):
        parts[name] = {"headers": _sayable(headers, where, findings), "querystring": _sayable(query, where, findings)}
    return _transformer(plugins.RequestTransformer, parts)


def _names(names: tuple[str, ...]) -> dict[str, str | None]:
    return dict.fromkeys(names)


def _sayable(values: Mapping[str, str | None], where: str, findings: Findings) -> list[str]:
    """ "name:value", or for a value of None "name"; without what Kong would read otherwise."""
    said = []
    for name, value in values.items():
        text = name if value is None else f"{name}:{value}"
        if _TEMPLATE in text:
            findings.missing(where, f"{text!r} holds $( which Kong takes for a template")
        elif not name or ":" in name or "\n" in text or "\r" in text:
            findings.missing(where, f"Kong can't name {text!r}")
        else:
            said.append(text)
    return said


def _response(policies: Policies, version: Version | None, where: str, findings: Findings) -> plugins.Plugin | None:
    change = policies.response_transform
    if change is not None and change.body is not None:
        findings.missing(f"{where}: policies.response_transform", "Kong OSS does not change JSON bodies as declared here")
    headers = change.headers if change is not None else HeaderChanges()
    told = _version_headers(version) if version is not None else []
    security = _security(policies.security_headers) if policies.security_headers is not None else {}
    parts = {
        "remove": {"headers": list(headers.remove)},
        "rename": {"headers": _pairs(headers.rename)},
        "replace": {"headers": _pairs(headers.set)},
        "add": {"headers": [*_pairs(headers.set), *_pairs(security)]},
        "append": {"headers": [*_pairs(headers.add), *told]},
    }
    return _transformer(plugins.ResponseTransformer, parts)


def _transformer(kind: type[plugins.Plugin], parts: dict[str, dict[str, list[str]]]) -> plugins.Plugin | None:
    """None where there is nothing to change."""
    given = {name: {what: values for what, values in part.items() if values} for name, part in parts.items()}
    given = {name: part for name, part in given.items() if part}
    return kind.model_validate(given) if given else None


def _pairs(values: dict[str, str]) -> list[str]:
    return [f"{name}:{value}" for name, value in values.items()]


def _version_headers(version: Version) -> list[str]:
    """As the embedded proxy tells them: RFC 9745, 2.1; RFC 8594, 3."""
    told = []
    for relation, day in (("deprecation", version.deprecated), ("sunset", version.sunset)):
        if day is None:
            continue
        moment = datetime.combine(day, time(), UTC)
        value = f"@{int(moment.timestamp())}" if relation == "deprecation" else format_datetime(moment, usegmt=True)
        told.append(f"{relation.title()}:{value}")
        if version.link is not None:
            told.append(f'Link:<{version.link}>; rel="{relation}"; type="text/html"')
    return told


def _security(policy: SecurityHeaders) -> dict[str, str]:
    wanted = {
        "Strict-Transport-Security": f"max-age={policy.hsts}; includeSubDomains" if policy.hsts else None,
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": policy.content_security_policy,
        "X-Frame-Options": policy.frame_options,
        "Referrer-Policy": policy.referrer_policy,
        "Permissions-Policy": policy.permissions_policy,
    }
    return {name: value for name, value in wanted.items() if value is not None}
