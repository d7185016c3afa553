"""Storage: files of a tenant, checked by what they hold, kept once, and given out by links that end."""

from brickwork.storage.blob import Blob
from brickwork.storage.errors import BlobDamagedError, BlobRefusedError, QuotaError
from brickwork.storage.port import BlobStore
from brickwork.storage.service import Storage

__all__ = ["Blob", "BlobDamagedError", "BlobRefusedError", "BlobStore", "QuotaError", "Storage"]
