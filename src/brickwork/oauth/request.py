"""Requests to the endpoints as Authlib's grants take them, and their answers."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import attrs
import orjson
from authlib.oauth2.rfc6749 import OAuth2Payload, OAuth2Request
from authlib.oauth2.rfc6749.errors import InvalidRequestError

from brickwork.oauth.certificates import Certificate
from brickwork.oauth.issuer import Issuer

#: Parameters of one request.
MOST = 100
Pairs = Sequence[tuple[str, str]]


class Payload(OAuth2Payload):
    """Parameters, each given once."""

    def __init__(self, pairs: Pairs) -> None:
        self._data = dict(pairs)

    @property
    def data(self) -> dict[str, str]:
        return self._data

    @property
    def datalist(self) -> defaultdict[str, list[str]]:
        return defaultdict(list, {name: [value] for name, value in self._data.items()})


class Request(OAuth2Request):
    """A request to one of an issuer's endpoints. Parameters come from the query of a GET and from the form of a POST, never from
    both (RFC 6749, 3.2)."""

    def __init__(
        self, issuer: Issuer, endpoint: str, method: str, parameters: Pairs, *, headers: Mapping[str, str],
        certificate: Certificate | None = None, address: str = "",
    ) -> None:  # fmt: skip
        super().__init__(method, issuer.address(endpoint), headers=dict(headers))
        self.issuer = issuer
        self.endpoint = endpoint
        self.certificate = certificate
        self.address = address
        self.payload = Payload(parameters)
        #: Set while the request is answered: the client's epoch, and the grant that its code or token belongs to.
        self.epoch = 0
        self.grant: Any = None

    @property
    def form(self) -> dict[str, str]:
        return self.payload.data if self.method == "POST" else {}

    @property
    def args(self) -> dict[str, str]:
        return self.payload.data if self.method == "GET" else {}


@attrs.define
class Answer:
    """What goes back to the client."""

    status: int
    body: bytes
    headers: list[tuple[str, str]]

    @classmethod
    def of(cls, status: int, body: Any, headers: Sequence[tuple[str, str]] = ()) -> "Answer":
        """An answer in JSON, never cached (RFC 6749, 5.1), or without a body."""
        if not isinstance(body, (dict, list)):
            return cls(status, b"", [*headers, ("Cache-Control", "no-store")])
        kept = [(name, value) for name, value in headers if name.lower() not in ("content-type", "cache-control", "pragma")]
        return cls(status, orjson.dumps(body), [("Content-Type", "application/json"), ("Cache-Control", "no-store"), *kept])

    @property
    def location(self) -> str | None:
        """Where a browser is sent."""
        return next((value for name, value in self.headers if name == "Location"), None)


def read_parameters(raw: bytes) -> Pairs:
    """The parameters in a query or form. One that is empty counts as left out, and none may be given twice (RFC 6749, 3.1).
    Raises Authlib's `InvalidRequestError`."""
    try:
        pairs = parse_qsl(raw.decode("ascii"), errors="strict", max_num_fields=MOST)
    except ValueError:
        raise InvalidRequestError("The parameters can't be read.") from None
    if len({name for name, _ in pairs}) != len(pairs):
        raise InvalidRequestError("A parameter is given more than once.")
    if any("\0" in value for _, value in pairs):
        raise InvalidRequestError("A parameter holds a zero byte.")
    return pairs
