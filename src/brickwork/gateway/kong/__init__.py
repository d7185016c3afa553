"""A gateway's definition as Kong's declarative configuration (format 3.0), for Kong Gateway OSS 3.x."""

from brickwork.gateway.kong.export import Export, NotExportableError, export
from brickwork.gateway.kong.findings import Finding
from brickwork.gateway.kong.options import KongOptions

__all__ = ["Export", "Finding", "KongOptions", "NotExportableError", "export"]
