"""What can go wrong with one message, so that whoever sends knows whether to try again, when, and with what.

What is wrong with the message itself (a line break in its subject, an address that is none) is a `ValidationError`, as
everywhere; trying that again is of no use either.
"""

from brickwork.errors import BrickworkError, UnauthenticatedError


class SendError(BrickworkError):
    """A message was not taken over.

    `retryable`: the same message may pass later. `provider_code`: what the other side calls the reason, such as "550 5.1.1" or
    "21211"; "" where it said nothing. `uncertain`: the message was handed over and the answer is missing, so it may have
    arrived, and another attempt may double it.
    """

    code = "send_failed"
    status = 502
    retryable = True

    def __init__(self, message: str, *, provider_code: str = "", uncertain: bool = False) -> None:
        super().__init__(message, provider_code=provider_code, retryable=self.retryable, uncertain=uncertain)
        self.provider_code = provider_code
        self.uncertain = uncertain


class TemporaryFailure(SendError):
    """It may pass later: the other side is away, slow, busy, or set up wrongly and somebody will see to it."""

    code = "send_failed_for_now"


class ProviderUnavailable(TemporaryFailure):
    """The other side can't be reached, or serves nobody at present: another provider may."""

    code = "provider_unavailable"


class Throttled(TemporaryFailure):
    """The other side wants fewer messages. `retry_after`: seconds to wait, or None where it named no time."""

    code = "send_throttled"

    def __init__(self, message: str, *, retry_after: float | None = None, provider_code: str = "") -> None:
        super().__init__(message, provider_code=provider_code)
        self.retry_after = retry_after
        self.details["retry_after"] = retry_after


class PermanentFailure(SendError):
    """It will never pass. `suppress`: nothing ever will at this address, so nothing more should be sent there."""

    code = "send_failed_for_good"
    retryable = False

    def __init__(self, message: str, *, suppress: bool = False, provider_code: str = "") -> None:
        super().__init__(message, provider_code=provider_code)
        self.suppress = suppress
        self.details["suppress"] = suppress


class EndpointGone(PermanentFailure):
    """The endpoint or subscription exists no more (404 or 410): it should be disabled."""

    code = "endpoint_gone"

    def __init__(self, message: str, *, provider_code: str = "") -> None:
        super().__init__(message, suppress=True, provider_code=provider_code)


class SignatureError(UnauthenticatedError):
    """What came in under a provider's or sender's name isn't signed by it, is too old, or came before."""

    code = "signature_invalid"
