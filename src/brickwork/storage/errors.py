"""What can be wrong with a file."""

from brickwork.errors import BrickworkError, ValidationError


class BlobRefusedError(ValidationError):
    """A file is not taken: its kind is not allowed, is not what it says, or a scanner has found something."""

    code = "blob_refused"


class QuotaError(BrickworkError):
    """The tenant's space is used up; `details` has `limit`."""

    code = "storage_quota"
    status = 409


class BlobDamagedError(BrickworkError):
    """What is stored is not what was written: it was altered, cut short or moved."""

    code = "blob_damaged"
