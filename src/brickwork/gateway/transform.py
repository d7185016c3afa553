"""Changes of requests and answers by declaration: headers, query strings, JSON bodies."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

import orjson

from brickwork.gateway.arrival import Headers
from brickwork.gateway.definition_policies import HeaderChanges, JsonChanges, QueryChanges

_ABSENT = object()


def _raw(names: Iterable[str]) -> frozenset[bytes]:
    return frozenset(name.lower().encode() for name in names)


def _pairs(headers: Mapping[str, str]) -> Headers:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


class HeaderChanger:
    """`HeaderChanges`, made ready. What frames a message can't be changed, since only the gateway knows how it is framed."""

    def __init__(self, changes: HeaderChanges) -> None:
        self._removed = _raw(changes.remove)
        self._renamed = {old.lower().encode(): new.lower().encode() for old, new in changes.rename.items()}
        self._set = _pairs(changes.set)
        self._replaced = frozenset(name for name, _ in self._set)
        self._added = _pairs(changes.add)

    def apply(self, headers: Headers) -> Headers:
        """The headers, changed; names are in lower case."""
        kept = [(self._renamed.get(name, name), value) for name, value in headers if name not in self._removed]
        kept = [pair for pair in kept if pair[0] not in self._replaced]
        return kept + self._set + self._added


class QueryChanger:
    """`QueryChanges`, made ready."""

    def __init__(self, changes: QueryChanges) -> None:
        self._removed = frozenset(changes.remove)
        self._renamed = changes.rename
        self._set = list(changes.set.items())
        self._added = list(changes.add.items())

    def apply(self, pairs: Iterable[tuple[str, str]]) -> bytes:
        """The query string of the pairs, changed."""
        kept = [(self._renamed.get(name, name), value) for name, value in pairs if name not in self._removed]
        replaced = {name for name, _ in self._set}
        kept = [pair for pair in kept if pair[0] not in replaced]
        return urlencode(kept + self._set + self._added).encode()


class JsonChanger:
    """`JsonChanges`, made ready."""

    def __init__(self, changes: JsonChanges) -> None:
        self.max_bytes = changes.max_bytes
        self._keep = None if changes.keep is None else [path.split(".") for path in changes.keep]
        self._removed = [path.split(".") for path in changes.remove]
        self._renamed = [(old.split("."), new.split(".")) for old, new in changes.rename.items()]
        self._set = [(path.split("."), value) for path, value in changes.set.items()]

    def apply(self, body: bytes) -> bytes:
        """The body, changed; raises ValueError where it is no JSON object."""
        document = orjson.loads(body)
        if not isinstance(document, dict):
            raise ValueError("not a JSON object")
        if self._keep is not None:
            kept: dict[str, Any] = {}
            for path in self._keep:
                if (value := _take(document, path)) is not _ABSENT:
                    _put(kept, path, value)
            document = kept
        for path in self._removed:
            _take(document, path)
        for old, new in self._renamed:
            if (value := _take(document, old)) is not _ABSENT:
                _put(document, new, value)
        for path, value in self._set:
            _put(document, path, value)
        return orjson.dumps(document)


def is_json(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a message's Content-Type is JSON."""
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    return kind == b"application/json" or (kind.startswith(b"application/") and kind.endswith(b"+json"))


def is_coded(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a message's body is compressed, or coded otherwise (RFC 9110, 8.4)."""
    return headers.get(b"content-encoding", b"identity").lower() != b"identity"


def _take(document: dict[str, Any], path: list[str]) -> Any:
    """The value at the path, taken out, or `_ABSENT`."""
    here: Any = document
    for step in path[:-1]:
        here = here.get(step) if isinstance(here, dict) else None
    return here.pop(path[-1], _ABSENT) if isinstance(here, dict) else _ABSENT


def _put(document: dict[str, Any], path: list[str], value: Any) -> None:
    """Put a value at the path; what is no object on the way is replaced by one."""
    here = document
    for step in path[:-1]:
        following = here.get(step)
        if not isinstance(following, dict):
            following = here[step] = {}
        here = following
    here[path[-1]] = value
