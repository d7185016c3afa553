"""Callers for tests of an HTTP API."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from brickwork.errors import DuplicateError

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform


def bearer(
    platform: "Platform", tenant: str, name: str = "tester", *, roles: Sequence[str] = ("administrator",)
) -> dict[str, str]:
    """The headers of a service account of the tenant with these roles; made where it is missing. Its actor is "service:NAME"."""
    with platform.context(tenant=tenant, actor="testing"):
        try:
            subject = platform.auth.services.create(name, roles=roles)
        except DuplicateError:
            subject = f"service:{name}"
        key = platform.auth.keys.create(subject, "test")
    return {"Authorization": f"Bearer {key.token}"}
