"""HTTP: components' endpoints as a FastAPI application, with the envelope, tenancy, ETags, idempotency and metrics.

The names are loaded on first use, so that a platform without the web component never imports FastAPI.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brickwork.web.app import BrickworkAPI as BrickworkAPI
    from brickwork.web.app import create_app as create_app
    from brickwork.web.endpoint import Call as Call
    from brickwork.web.endpoint import Endpoint as Endpoint
    from brickwork.web.endpoint import Reply as Reply

_FACE = {"BrickworkAPI": "app", "create_app": "app", "Call": "endpoint", "Endpoint": "endpoint", "Reply": "endpoint"}

__all__ = ["BrickworkAPI", "Call", "Endpoint", "Reply", "create_app"]


def __getattr__(name: str) -> object:
    if name in _FACE:
        return getattr(import_module(f"brickwork.web.{_FACE[name]}"), name)
    raise AttributeError(f"module 'brickwork.web' has no attribute {name!r}")
