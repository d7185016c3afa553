"""Messages over any service that Apprise knows. The address is an Apprise URL, which mostly holds a token: it is a secret."""

import logging
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from brickwork.errors import ValidationError
from brickwork.kernel.component import Health
from brickwork.notify.channels import Outgoing, Receipt, TemporaryFailure
from brickwork.notify.channels.http import send_each
from brickwork.notify.channels.port import Taken, untold
from brickwork_apprise.settings import AppriseSettings

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

_URL = re.compile(r"(?P<scheme>[A-Za-z0-9]{1,32})://[!-~\u00a1-\U0010ffff]{1,4000}\Z")


class AppriseChannel:
    """Sends the subject and the text, or the HTML where there is no text.

    Apprise tells success or failure and no more: a failure may be for good, and it may be that the message arrived. Each failure
    is therefore told as one that may pass; whoever sends must bound the attempts. A service that sends its answer byte by byte is
    waited for as long as it does.
    """

    kind = "apprise"

    def __init__(self, settings: AppriseSettings) -> None:
        self._settings = settings
        self._schemes = frozenset(scheme.lower() for scheme in settings.schemes)
        logger = logging.getLogger("apprise")
        if logger.level < logging.WARNING:
            logger.setLevel(logging.WARNING)  # below, it logs whole URLs and payloads

    def check(self, address: str) -> str:
        """The URL with its scheme in small letters, if Apprise can make something of it."""
        found = _URL.match(address)
        if found is None or found["scheme"].lower() not in self._schemes:
            raise ValidationError(f"takes an Apprise URL with one of {', '.join(sorted(self._schemes))}", field="address")
        normal = found["scheme"].lower() + address[found.end("scheme") :]
        self._service(normal)
        return normal

    def send(self, message: Outgoing) -> Receipt:
        if message.attachments:
            raise ValidationError("this channel takes no attachments", field="attachments")
        if not (message.text or message.html or message.subject):
            raise ValidationError("a message needs a text", field="text")
        service = self._service(self.check(message.address))
        form = "text" if message.text or not message.html else "html"
        try:
            done = service.notify(body=message.text or message.html or "", title=message.subject, body_format=form)
        except Exception as error:  # the services are many, and what they raise is not told
            raise TemporaryFailure(f"the service can't be used: {type(error).__name__}") from None
        if not done:
            raise TemporaryFailure("the service did not take the message")
        return Receipt(detail=str(service.service_name)[:100])

    def send_many(self, messages: Sequence[Outgoing], taken: Taken = untold) -> list[Receipt | Exception]:
        return send_each(self.send, messages, self._settings.threads, taken)

    def health(self) -> Health:
        return Health(True, "each service has its own health")

    def close(self) -> None:
        """There is nothing to let go of: Apprise keeps no connections."""

    def _service(self, address: str) -> Any:
        import apprise

        try:
            service = apprise.Apprise.instantiate(address, suppress_exceptions=True)
        except Exception:  # what is no URL of a service fails in as many ways as there are services
            service = None
        if service is None:
            raise ValidationError("is no URL that Apprise knows", field="address")
        # the address must not say how long it is waited for, nor that a failure is none
        service.socket_connect_timeout = service.socket_read_timeout = self._settings.timeout
        service.retry, service.optional = 0, False
        return service


def build(platform: "Platform", settings: AppriseSettings) -> AppriseChannel:
    """The channel of a platform."""
    return AppriseChannel(settings)
