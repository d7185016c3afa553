"""The one tree of errors: each has a stable code, an HTTP status and a message that is safe to show.

The web layer maps `status`, `code`, `message` and `problems` to its envelope; nothing else translates errors.
"""

from collections.abc import Iterable, Sequence
from typing import ClassVar

import attrs


@attrs.frozen
class Problem:
    """One thing that is wrong with an input: where (`field`, a dotted path or None), what (`message`), a stable `code`."""

    message: str
    field: str | None = None
    code: str = "invalid"


class BrickworkError(Exception):
    """Base of every error that brickwork raises on purpose.

    `message` says what was wrong, where, and what would be right; it never holds a secret. `details` are values a
    program may use (ids, versions); they are JSON-able.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500

    def __init__(self, message: str, *, field: str | None = None, problems: Iterable[Problem] = (), **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.problems: Sequence[Problem] = tuple(problems) or (Problem(message, field, self.code),)

    @property
    def field(self) -> str | None:
        """The field of the first problem, if it has one."""
        return self.problems[0].field

    def __str__(self) -> str:
        return self.message


# -- the deployment -----------------------------------------------------------------------------------------------


class SettingsError(BrickworkError):
    """A setting is missing, unknown or wrong: the message has the key's path, the value seen and what is accepted."""

    code = "settings_invalid"


class PluginError(BrickworkError):
    """A plugin that the configuration names could not be loaded, or registrations contradict each other."""

    code = "plugin_broken"


class MissingDependencyError(BrickworkError):
    """An optional package is not installed; the message holds the exact `pip install` line."""

    code = "dependency_missing"
    status = 501

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; run: pip install 'brickwork[{extra}]'", package=package, extra=extra)


class MigrationError(BrickworkError):
    """The database schema is not the one this code needs."""

    code = "migration_needed"


class UnsafeRoleError(BrickworkError):
    """The database role could bypass row-level security, so the platform refuses to serve."""

    code = "database_role_unsafe"


class ModelError(BrickworkError):
    """A model breaks a rule of the house, such as a unique constraint that leaves out the tenant."""

    code = "model_invalid"


# -- what a caller asked for ---------------------------------------------------------------------------------------


class ValidationError(BrickworkError):
    """The input is not acceptable; `problems` names each field."""

    code = "invalid"
    status = 422


class DefinitionError(ValidationError):
    """A definition (entity type, rule, template) is not acceptable."""

    code = "definition_invalid"


class ExpressionError(ValidationError):
    """A CEL expression does not compile, names something unknown, or failed on the values it was given."""

    code = "expression_invalid"


class MalformedRequestError(BrickworkError):
    """A request can't be read, or could be read in more than one way."""

    code = "malformed_request"
    status = 400


class UnsupportedMediaTypeError(BrickworkError):
    """The body of a request is in a form that is not taken here."""

    code = "unsupported_media_type"
    status = 415


class UnsupportedError(BrickworkError):
    """The backend does not have this capability."""

    code = "unsupported"
    status = 501


class NotFoundError(BrickworkError):
    """What was asked for does not exist in this tenant."""

    code = "not_found"
    status = 404


class ConflictError(BrickworkError):
    """The request contradicts the present state."""

    code = "conflict"
    status = 409


class StaleVersionError(ConflictError):
    """Somebody changed the row since it was read; `details` has `expected` and `actual` versions."""

    code = "stale_version"


class PreconditionFailedError(BrickworkError):
    """The `If-Match` of an HTTP request is not the row's current ETag (RFC 9110, section 13.1.1)."""

    code = "precondition_failed"
    status = 412


class DuplicateError(ConflictError):
    """A unique value is taken; `field` says which."""

    code = "duplicate"


class BrokenReferenceError(ValidationError):
    """A reference points to a row that does not exist in this tenant, or to one of another type."""

    code = "broken_reference"


class RestrictedError(ConflictError):
    """The row cannot be deleted while others refer to it; `details` counts them."""

    code = "restricted"


class DefinitionChangeError(ConflictError):
    """A change of a definition would lose or invalidate stored data; `details` counts the rows it would harm."""

    code = "definition_change_unsafe"


class TooLargeError(ValidationError):
    """The input is larger than the limit that the message names."""

    code = "too_large"
    status = 413


class DocumentUnreadableError(ValidationError):
    """A document is not of the kind it should be, is damaged beyond repair, or is made to exhaust its reader."""

    code = "document_unreadable"


class DocumentPasswordError(ValidationError):
    """A document is encrypted, and no password or a wrong one was given."""

    code = "document_password"


class RedactionError(ValidationError):
    """A redaction can't be made for sure: what should go was not found, or could still be read after it."""

    code = "redaction_unsure"


class ManifestError(ValidationError):
    """A package isn't what its manifest says: a file is missing, too many, or another."""

    code = "manifest_mismatch"


# -- who may do what -----------------------------------------------------------------------------------------------


class UnauthenticatedError(BrickworkError):
    """Nobody has shown who they are, or what was shown is not good (any more)."""

    code = "unauthenticated"
    status = 401


class PermissionDeniedError(BrickworkError):
    """The actor may not do this; `details` has the `permission` that is missing."""

    code = "permission_denied"
    status = 403


# -- tenancy -------------------------------------------------------------------------------------------------------


class TenancyError(BrickworkError):
    """Something would cross, or forget, the tenant."""

    code = "tenancy"
    status = 403


class MissingTenantError(TenancyError):
    """A tenant-scoped operation ran without a tenant in the context."""

    code = "tenant_missing"
    status = 400


class CrossTenantError(TenancyError):
    """A row, parameter or transaction belongs to another tenant than the context's."""

    code = "tenant_crossed"


class UnscopedStatementError(TenancyError):
    """A statement touches a tenant table without holding it to the tenant; the message says how to mend it."""

    code = "statement_unscoped"
    status = 500


class TransactionError(BrickworkError):
    """A transaction can't keep its promise: a statement in it failed unnoticed, or another thread reached for it."""

    code = "transaction_unusable"


class ImmutableError(BrickworkError):
    """An append-only row, such as an audit entry, cannot be changed."""

    code = "immutable"
    status = 409


# -- the machine ---------------------------------------------------------------------------------------------------


class UnavailableError(BrickworkError):
    """A backend cannot be used now; trying again later may work."""

    code = "unavailable"
    status = 503


class DatabaseBusyError(UnavailableError):
    """The database stayed locked for longer than the busy timeout, or chose this transaction to end a deadlock."""

    code = "database_busy"


class StorageFullError(BrickworkError):
    """The disk that holds the database or the files is full; nothing of the transaction was kept."""

    code = "storage_full"
    status = 507
