"""Why a message was not taken, and whether trying again can help."""

from typing import ClassVar

from brickwork.errors import BrickworkError


class SendError(BrickworkError):
    """A provider did not take a message. `provider_code` is what it gave as the reason."""

    code = "not_sent"
    status = 502
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, provider_code: str = "") -> None:
        super().__init__(message, provider_code=provider_code)
        self.provider_code = provider_code


class TemporaryFailure(SendError):
    """It may be taken later."""

    code = "not_sent_now"
    retryable = True


class ProviderUnavailable(TemporaryFailure):
    """The provider can't be reached or serves nobody at present; another one may."""

    code = "provider_unavailable"


class Throttled(TemporaryFailure):
    """The provider wants fewer messages; it may be tried again after `retry_after` seconds."""

    code = "provider_throttled"

    def __init__(self, message: str, *, retry_after: float, provider_code: str = "") -> None:
        super().__init__(message, provider_code=provider_code)
        self.retry_after = retry_after


class PermanentFailure(SendError):
    """It will never be taken. With `suppress`, nothing will be that goes to this address."""

    code = "refused"

    def __init__(self, message: str, *, suppress: bool = False, provider_code: str = "") -> None:
        super().__init__(message, provider_code=provider_code)
        self.suppress = suppress


class EndpointGone(PermanentFailure):
    """There is nobody at this address any more, and it says so."""

    code = "endpoint_gone"

    def __init__(self, message: str, *, provider_code: str = "") -> None:
        super().__init__(message, suppress=True, provider_code=provider_code)
