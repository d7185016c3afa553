"""What all grants share: tokens are made by our server."""

from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749.grants import BaseGrant

from brickwork.oauth import scopes as names

if TYPE_CHECKING:
    from brickwork.oauth.request import Request
    from brickwork.oauth.server import Server

#: Authlib's name for clients that show nothing but their id, in lists of who may come.
PUBLIC_TOO, PROVEN = ["none"], list[str]()


class Issuing(BaseGrant):
    """A grant whose tokens are JWTs (RFC 9068)."""

    request: "Request"
    server: "Server"

    def generate_token(
        self, user: Any = None, scope: str | None = None, grant_type: str | None = None, expires_in: int | None = None,
        include_refresh_token: bool = True,
    ) -> dict[str, Any]:  # fmt: skip
        """Authlib's hook; `user` is a subject."""
        return self.server.issue(self.request, user, names.split(scope), refresh=include_refresh_token)
