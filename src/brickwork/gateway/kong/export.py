"""The whole export: services, routes, upstreams, plugins and consumers of one definition."""

from fractions import Fraction
from typing import Any

import attrs
import yaml

from brickwork.errors import BrickworkError, Problem
from brickwork.gateway.definition import Gateway, Route, Service
from brickwork.gateway.definition_policies import Policies
from brickwork.gateway.kong.findings import Finding, Findings
from brickwork.gateway.kong.options import KongOptions, algorithm_of
from brickwork.gateway.kong.plugins import Plugin, RateLimiting
from brickwork.gateway.kong.policies import closed, plugins_for, rate_limiting
from brickwork.gateway.kong.routes import KongRoute, find_conflicts, made_routes, priorities
from brickwork.gateway.kong.upstreams import Share, Upstreams

#: Plugins that may stand once for all routes where they are the same on each.
_COMMON = frozenset({"correlation-id", "ip-restriction", "request-size-limiting", "response-transformer"})


class NotExportableError(BrickworkError):
    """The definition has what Kong OSS has not; `problems` names each."""

    code = "kong_incomplete"
    status = 422


@attrs.frozen
class Export:
    """A document of Kong's format 3.0, and what about it is not as in the definition."""

    document: dict[str, Any]
    findings: tuple[Finding, ...]

    @property
    def yaml(self) -> str:
        return yaml.safe_dump(self.document, sort_keys=False, allow_unicode=True, width=120)


def export(gateway: Gateway, options: KongOptions | None = None, *, partial: bool = False) -> Export:
    """The definition for Kong. Raises `NotExportableError` where Kong OSS lacks something that it says, unless `partial`; then
    that is left out, or where it guards a route, the route is closed."""
    made = _Exporter(gateway, options or KongOptions()).export()
    missing = [finding for finding in made.findings if finding.missing]
    if missing and not partial:
        problems = [Problem(finding.what, finding.where, NotExportableError.code) for finding in missing]
        told = "; ".join(map(str, missing[:3]))
        raise NotExportableError(f"Kong OSS can't do everything that the definition says: {told}", problems=problems)
    return made


class _Exporter:
    def __init__(self, gateway: Gateway, options: KongOptions) -> None:
        self._gateway = gateway
        self._options = options
        self._findings = Findings()
        self._upstreams = Upstreams(self._findings)
        self._services = {service.name: service for service in gateway.services}

    def export(self) -> Export:
        for service in self._gateway.services:
            self._upstreams.add(service.name, [Share(service, Fraction(1))])
        routes = made_routes(self._gateway, self._options.today, self._findings)
        targets = {route.name: self._target(route) for route in routes}
        for route in routes:
            self._equip(route, targets[route.name])
        common = self._common([route for route in routes if targets[route.name] is not None])
        numbers = priorities(routes)
        find_conflicts(routes, numbers, self._findings)
        limits = self._limits(routes)
        free = self._placed(routes, targets, numbers)
        if self._gateway.trusted_proxies:
            self._findings.different("trusted_proxies", "set trusted_ips and real_ip_header in kong.conf")
        document: dict[str, Any] = {"_format_version": "3.0", "services": list(self._upstreams.services.values())}
        document |= {"routes": free} if free else {}
        document |= {"upstreams": self._upstreams.upstreams}
        document |= {"plugins": [plugin.entity() for plugin in [*common, *limits]]} if common or limits else {}
        document |= self._consumers(routes)
        return Export(document, self._findings.all)

    # -- where requests go ---------------------------------------------------------------------------------------------

    def _target(self, route: KongRoute) -> str | None:
        """The Kong service that answers; None where Kong does itself."""
        if route.variant.status is not None:
            return None
        if route.variant.service is not None:
            return route.variant.service
        shares = self._shares(route.origin)
        if len(shares) == 1:
            return shares[0].service.name
        name = f"{route.origin.name}~shares"
        if name not in self._upstreams.services:
            self._upstreams.add(name, shares, route.origin.sticky)
            if route.origin.sticky != "random":
                told = "sticky: Kong keeps a caller with one target, which moves when the targets change"
                self._findings.different(f"routes.{route.origin.name}", told)
        return name

    def _shares(self, route: Route) -> list[Share]:
        if route.split:
            total = sum(share.weight for share in route.split)
            found = [Share(self._services[share.service], Fraction(share.weight, total)) for share in route.split]
            return [share for share in found if share.part]
        assert route.service is not None  # versions are variants
        main = self._services[route.service]
        canary = route.canary
        if canary is None:
            return [Share(main, Fraction(1))]
        if canary.weight is None:
            self._findings.missing(f"routes.{route.name}", f"canary.flag: Kong knows no flags; {main.name} gets every request")
            return [Share(main, Fraction(1))]
        part = Fraction(str(canary.weight)) / 100
        found = [Share(main, 1 - part), Share(self._services[canary.service], part)]
        return [share for share in found if share.part]

    # -- what holds on the way -----------------------------------------------------------------------------------------

    def _equip(self, route: KongRoute, target: str | None) -> None:
        where = f"routes.{route.origin.name}"
        if target is None:
            route.plugins = [closed(route.variant.status or 503, route.variant.message)]
            return
        policies = self._policies(route, target)
        route.plugins = plugins_for(policies, route.variant.version, self._options, where, self._findings)

    def _policies(self, route: KongRoute, target: str) -> Policies:
        services = self._answering(route, target)
        first = self._gateway.policies_for(route.origin, services[0])
        for service in services[1:]:
            if self._gateway.policies_for(route.origin, service) != first:
                told = f"{services[0].name} and {service.name} have other policies, and Kong one service for both"
                self._findings.missing(f"routes.{route.origin.name}", told)
        return first

    def _answering(self, route: KongRoute, target: str) -> list[Service]:
        if target in self._services:
            return [self._services[target]]
        return [share.service for share in self._shares(route.origin)]

    def _common(self, routes: list[KongRoute]) -> list[Plugin]:
        """Plugins that every route has alike, taken from them."""
        if len(routes) < 2:
            return []
        common = [plugin for plugin in routes[0].plugins if plugin.plugin in _COMMON]
        common = [plugin for plugin in common if all(plugin in route.plugins for route in routes)]
        for route in routes:
            route.plugins = [plugin for plugin in route.plugins if plugin not in common]
        return common

    def _limits(self, routes: list[KongRoute]) -> list[RateLimiting]:
        """Put rate limits where they were written, so that what is counted together stays so; those of the gateway are given
        back, unless something lifts them."""
        whole = self._gateway.policies.rate_limit
        narrower = [part.policies for part in self._gateway.services] + [part.policies for part in self._gateway.routes]
        lifted = any("rate_limit" in policies.model_fields_set and policies.rate_limit is None for policies in narrower)
        for route in routes:
            if route.variant.status is None:
                self._limit(route, lifted)
        if whole is None or lifted:
            return []
        return [rate_limiting(whole, "policies", self._findings)]

    def _limit(self, route: KongRoute, lifted: bool) -> None:
        where = f"routes.{route.origin.name}"
        own = "rate_limit" in route.origin.policies.model_fields_set
        service = self._answering(route, self._target(route) or "")[0]
        theirs = "rate_limit" in service.policies.model_fields_set
        if not (own or theirs or lifted):
            return  # the gateway's holds
        policy = self._gateway.policies_for(route.origin, service).rate_limit
        if policy is None:
            return
        if not own:
            self._findings.different(where, "policies.rate_limit: Kong counts each route by itself")
        elif route.name != route.origin.name:
            self._findings.different(where, "policies.rate_limit: Kong counts each path and version by itself")
        route.plugins.append(rate_limiting(policy, where, self._findings))

    # -- the document --------------------------------------------------------------------------------------------------

    def _placed(self, routes: list[KongRoute], targets: dict[str, str | None], numbers: Any) -> list[dict[str, Any]]:
        """Put routes to their services; those without one are given back."""
        free = []
        for route in routes:
            target = targets[route.name]
            if target is None:
                free.append(route.entity(numbers, preserve_host=False))
                continue
            preserve = self._answering(route, target)[0].preserve_host
            self._upstreams.services[target]["routes"].append(route.entity(numbers, preserve_host=preserve))
        return free

    def _consumers(self, routes: list[KongRoute]) -> dict[str, Any]:
        """The issuer of access tokens, as the consumer whose key they are signed with."""
        options = self._options
        used = any(plugin.plugin == "jwt" for route in routes for plugin in route.plugins)
        if not used or options.public_key is None or options.issuer is None:
            return {}
        credential = {
            "key": options.issuer,
            "algorithm": algorithm_of(options.public_key),
            "rsa_public_key": options.public_key,
            "secret": "not used: tokens are signed with the issuer's private key",
        }
        return {"consumers": [{"username": "access-tokens", "jwt_secrets": [credential]}]}
