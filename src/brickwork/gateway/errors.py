"""What can go wrong at the gateway. Messages name the service, never the address of a target."""

from brickwork.errors import BrickworkError, UnavailableError


class LoopError(BrickworkError):
    """The request has come through this gateway, or others like it, too often."""

    code = "loop_detected"
    status = 508


class NoRouteError(BrickworkError):
    """No route of the gateway takes this request."""

    code = "no_route"
    status = 404


class MethodRefusedError(BrickworkError):
    """A route has this path, but not for this method; `details` has `allow`."""

    code = "method_not_allowed"
    status = 405


class AddressRefusedError(BrickworkError):
    """The client's address may not call."""

    code = "address_refused"
    status = 403


class VersionUnknownError(BrickworkError):
    """The request names no version of the API, or one that there is not."""

    code = "version_unknown"
    status = 400


class VersionGoneError(BrickworkError):
    """The version's sunset has passed."""

    code = "version_gone"
    status = 410


class BadGatewayError(BrickworkError):
    """The upstream's answer can't be used: it broke off, is no HTTP, contradicts itself or is too large."""

    code = "bad_gateway"
    status = 502


class UnreachableError(BadGatewayError):
    """No connection to the upstream could be made."""

    code = "upstream_unreachable"


class GatewayTimeoutError(BrickworkError):
    """The upstream took too long."""

    code = "gateway_timeout"
    status = 504


class NoTargetError(UnavailableError):
    """Discovery knows no target of the service, or every one has as many connections as it may."""

    code = "no_target"


class CircuitOpenError(UnavailableError):
    """The circuits to all of the service's targets are open."""

    code = "circuit_open"
