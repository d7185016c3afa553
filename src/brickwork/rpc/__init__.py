"""Calls between services over gRPC: methods marked with `@exposed` are served with the caller's context and deadline, described
in protobuf for other languages, and called by generated clients.

The names are loaded on first use, so that a platform which serves no calls never imports gRPC (extra `grpc`).
"""

from importlib import import_module
from typing import TYPE_CHECKING

from brickwork.errors import MissingDependencyError
from brickwork.kernel.exposed import exposed
from brickwork.rpc.deadline import CancelledError, DeadlineExceededError

if TYPE_CHECKING:
    from brickwork.rpc.client import Channel as Channel
    from brickwork.rpc.client import Remote as Remote
    from brickwork.rpc.failure import RemoteError as RemoteError
    from brickwork.rpc.methods import Service as Service
    from brickwork.rpc.types import Number as Number

_FACE = {"Channel": "client", "Remote": "client", "RemoteError": "failure", "Service": "methods", "Number": "types"}

__all__ = [
    "CancelledError",
    "Channel",
    "DeadlineExceededError",
    "Number",
    "Remote",
    "RemoteError",
    "Service",
    "exposed",
]


def __getattr__(name: str) -> object:
    if name not in _FACE:
        raise AttributeError(f"module 'brickwork.rpc' has no attribute {name!r}")
    try:
        return getattr(import_module(f"brickwork.rpc.{_FACE[name]}"), name)
    except ImportError:
        raise MissingDependencyError("grpcio", "grpc") from None
