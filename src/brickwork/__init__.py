"""brickwork: pluggable building blocks for vertical products.

The names a product needs every day. Each is loaded on first use, so that importing brickwork costs almost nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from brickwork import errors as errors
    from brickwork.kernel.component import Backend as Backend
    from brickwork.kernel.component import Component as Component
    from brickwork.kernel.hookspecs import hookimpl as hookimpl
    from brickwork.kernel.money import Money as Money
    from brickwork.kernel.platform import Platform as Platform

_FACE = {
    "Backend": "brickwork.kernel.component",
    "Component": "brickwork.kernel.component",
    "Money": "brickwork.kernel.money",
    "Platform": "brickwork.kernel.platform",
    "hookimpl": "brickwork.kernel.hookspecs",
}

__all__ = ["Backend", "Component", "Money", "Platform", "__version__", "errors", "hookimpl"]


def __getattr__(name: str) -> object:
    if name == "errors":
        return import_module("brickwork.errors")
    if name in _FACE:
        return getattr(import_module(_FACE[name]), name)
    raise AttributeError(f"module 'brickwork' has no attribute {name!r}")
