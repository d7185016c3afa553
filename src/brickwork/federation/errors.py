"""What can go wrong with a sign-in at another provider."""

from brickwork.errors import ConflictError, PermissionDeniedError, UnauthenticatedError, UnavailableError


class FederationRefusedError(UnauthenticatedError):
    """What came back from the provider, or from the browser, is not what this sign-in was begun with."""

    code = "federation_refused"


class ProviderUnavailableError(UnavailableError):
    """The provider does not answer, or not as OpenID Connect says."""

    code = "provider_unavailable"


class AccountNeededError(PermissionDeniedError):
    """Nobody here has this identity, and the provider's people don't get an account by signing in."""

    code = "account_needed"


class AccountExistsError(ConflictError):
    """There is an account with this address; who owns it signs in to it and links the identity there."""

    code = "account_exists"
