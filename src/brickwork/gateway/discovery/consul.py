"""Instances that pass their checks in Consul, by blocking queries over its HTTP API (developer.hashicorp.com/consul/api-docs:
Health, "List Service Instances for Service"; Features, "Blocking Queries")."""

import socket
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import orjson
from pydantic import BaseModel, Field, TypeAdapter
from pydantic import ValidationError as PydanticError

from brickwork.errors import DefinitionError, UnavailableError
from brickwork.gateway import definition
from brickwork.gateway.discovery.fence import Fence
from brickwork.gateway.discovery.port import MOST, Found, Instance

#: Largest answer that is read, in bytes.
LARGEST = 10_000_000
#: Seconds that Consul may take beyond the time it was asked to wait: it adds up to a sixteenth of that by itself.
SLACK = 5.0
#: Seconds between two looks, so that a service that flaps doesn't keep both sides busy.
SPACING = 0.2


class _Weights(BaseModel):
    Passing: int = Field(1, ge=0, le=65_535)


class _Service(BaseModel):
    Address: str = ""
    #: 0 where it has none.
    Port: int = Field(0, ge=0, le=65_535)
    Weights: _Weights = _Weights()
    Meta: dict[str, str] | None = None


class _Node(BaseModel):
    Address: str = ""


class _Entry(BaseModel):
    """What is used of an entry; Consul sends more, and later versions more still."""

    Node: _Node
    Service: _Service


_ENTRIES = TypeAdapter(list[_Entry])


class Consul:
    """See the module. The token, if there is one, goes to `source.url` and nowhere else: redirects are not followed."""

    def __init__(self, source: definition.Consul, token: str | None, fence: Fence, *, wait: float) -> None:
        if urlsplit(source.url).scheme not in ("http", "https") or not urlsplit(source.url).hostname:
            raise DefinitionError(f"consul.url takes http://host:port, not {source.url[:100]!r}", field="url")
        self._source = source
        self._headers = {"X-Consul-Token": token} if token else {}
        self._fence = fence
        self._wait = wait
        self._index = 0
        self._connection: HTTPConnection | None = None
        self._closed = False

    def look(self) -> Found:
        try:
            return self._asked()
        except (OSError, HTTPException, ValueError, PydanticError) as error:
            self._index = 0
            self._drop()
            told = error if isinstance(error, _OddAnswer) else type(error).__name__
            raise UnavailableError(f"Consul, service {self._source.service}: {told}") from None

    def close(self) -> None:
        self._closed = True
        self._drop()

    def _asked(self) -> Found:
        connection = self._connection or self._connect()
        connection.request("GET", self._path(), headers=self._headers)
        response = connection.getresponse()
        body = response.read(LARGEST + 1)
        if response.status != 200:
            raise _OddAnswer(f"status {response.status}")
        if len(body) > LARGEST:
            raise _OddAnswer(f"an answer of more than {LARGEST} bytes")
        entries = _ENTRIES.validate_python(orjson.loads(body))
        found = self._fence.held(_instance(entry) for entry in entries[:MOST] if entry.Service.Port)
        self._index = self._next(response)
        return Found(sorted(found, key=lambda instance: (instance.host, instance.port)), SPACING)

    def _next(self, response: HTTPResponse) -> int:
        """The index to wait for. One that went back, or is none, means to begin anew (as the documentation says)."""
        index = int(response.headers.get("X-Consul-Index", "0"))
        return index if index >= max(self._index, 1) else 0

    def _path(self) -> str:
        source = self._source
        query: dict[str, Any] = {"passing": "1"}
        if source.datacenter:
            query["dc"] = source.datacenter
        if source.tag:
            query["tag"] = source.tag
        if self._index:
            query |= {"index": self._index, "wait": f"{int(self._wait * 1000)}ms"}
        return f"{urlsplit(source.url).path.rstrip('/')}/v1/health/service/{quote(source.service, safe='')}?{urlencode(query)}"

    def _connect(self) -> HTTPConnection:
        url = urlsplit(self._source.url)
        kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
        made = kind(
            url.hostname or "", url.port or (443 if url.scheme == "https" else 8500), timeout=self._wait * 17 / 16 + SLACK
        )
        made.connect()
        self._connection = made
        if self._closed:  # meanwhile
            self._drop()
        return made

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)  # closing alone would not wake who waits on it
            connection.close()


class _OddAnswer(ValueError):
    pass


def _instance(entry: _Entry) -> Instance:
    """A service without an address of its own is at its node's."""
    service = entry.Service
    return Instance(service.Address or entry.Node.Address, service.Port, service.Weights.Passing, metadata=service.Meta or {})
