"""Phone numbers in the one form that providers take (E.164)."""

import re
from collections.abc import Sequence

from pydantic import Field

from brickwork.errors import TooLargeError, ValidationError
from brickwork.notify.channels.headers import check_text
from brickwork.notify.channels.http import HttpSettings
from brickwork.notify.channels.port import Outgoing

_WRITTEN = re.compile(r"\+?[0-9 ()./\u00a0-]{1,40}\Z")


class SmsSettings(HttpSettings):
    """What every SMS provider takes."""

    #: Region such as "DE", for numbers without a country code; None needs one in each.
    region: str | None = Field(default=None, pattern=r"^[A-Z]{2}$")
    #: Regions to which messages are sent, such as ["DE", "AT"]; None sends everywhere. It bounds what a fraud can cost that
    #: has messages sent to expensive numbers.
    regions: list[str] | None = None
    #: Most characters of a text.
    max_characters: int = Field(default=1600, ge=1)


def check_number(address: str, region: str | None, regions: Sequence[str] | None) -> str:
    """The E.164 form, such as "+4930123456". Raises `ValidationError`."""
    import phonenumbers

    if not _WRITTEN.match(address):  # of a longer text the library would take what looks like a number
        raise ValidationError("is no phone number: it takes digits, with + before and spaces ( ) . / - between", field="address")
    try:
        number = phonenumbers.parse(address, region)
    except phonenumbers.NumberParseException as error:
        hint = "" if region else "; begin with + and the country code"
        raise ValidationError(f"is no phone number: {error}{hint}", field="address") from None
    # numbers of a local network only count as possible elsewhere; no provider reaches them
    possible = phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE
    if number.extension or not possible:
        raise ValidationError("is no possible phone number for a message", field="address")
    if regions is not None and phonenumbers.region_code_for_number(number) not in regions:
        raise ValidationError(f"is not in one of the regions {', '.join(regions)}", field="address")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def check_sms(message: Outgoing, settings: SmsSettings) -> str:
    """The number to which a message goes, if its text can be sent."""
    if not message.text:
        raise ValidationError("an SMS needs a text", field="text")
    if len(message.text) > settings.max_characters:
        raise TooLargeError(
            f"the text has {len(message.text)} characters; at most {settings.max_characters} are sent", field="text"
        )
    check_text(message.text, "text")
    return check_number(message.address, settings.region, settings.regions)
