"""Header fields that a message brings: a name that is one, a value without anything that could begin another field."""

import re
from collections.abc import Callable, Mapping

from brickwork.errors import TooLargeError, ValidationError

_NAME = re.compile(r"[A-Za-z0-9-]{1,64}\Z")
#: Controls, and the two separators that some programs take for ends of lines.
_UNSAFE = re.compile("[\x00-\x08\x0a-\x1f\x7f\x80-\x9f\u2028\u2029]")
#: The longest value that is sent.
LONGEST = 4000


def check_line(value: str, field: str, longest: int = LONGEST) -> str:
    """`value`, if it is one line of at most so many characters. Raises `ValidationError` for line breaks, controls and lone
    surrogates, `TooLargeError` for length."""
    if len(value) > longest:
        raise TooLargeError(f"{field} has {len(value)} characters; at most {longest} are sent", field=field)
    if _UNSAFE.search(value):
        raise ValidationError(f"{field} must not hold line breaks or control characters", field=field)
    check_text(value, field)
    return value


def check_text(value: str, field: str) -> str:
    """`value`, if it can be written as UTF-8 and holds no NUL."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ValidationError(f"{field} holds half of a character (a lone surrogate)", field=field) from None
    if "\0" in value:
        raise ValidationError(f"{field} must not hold NUL", field=field)
    return value


def check_headers(headers: Mapping[str, str], taken: Callable[[str], bool], *, ascii_only: bool = True) -> dict[str, str]:
    """The fields, by their names in small letters. `taken` tells of a name whether it is the channel's own."""
    checked: dict[str, str] = {}
    for name, value in headers.items():
        field = f"headers.{name[:64]!a}" if not _NAME.match(name) else f"headers.{name}"
        if not _NAME.match(name):
            raise ValidationError("a header's name takes letters, digits and -", field=field)
        if taken(name.lower()) or name.lower() in checked:
            raise ValidationError(f"{name} can not be set here, or is given twice", field=field)
        check_line(value, field)
        if ascii_only and not value.isascii():
            raise ValidationError("a header's value takes ASCII here", field=field)
        checked[name.lower()] = value
    return checked
