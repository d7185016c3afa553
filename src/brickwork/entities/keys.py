"""Index keys: text whose byte order is the order of the values, the same on every database.

A record's `indexed` fields are copied as such keys into fixed columns with indexes. Keys are compared as plain text, so
PostgreSQL may use the index under row-level security (text comparison is leakproof, JSON access and numeric comparison
are not), SQLite and PostgreSQL agree on the order, and a tenant's definition needs no DDL.
"""

import hashlib
import unicodedata
from decimal import Decimal

#: Sorts after every value, so that empty fields come last in ascending order.
EMPTY = "2"
_VALUE = "1"
#: Characters of a text that take part in order and prefix search; B-trees bound the size of a key.
TEXT_LENGTH = 160
_COMPLEMENT = str.maketrans("0123456789", "9876543210")


def text_key(value: str) -> str:
    """Case-insensitive order (Unicode case folding and NFKC)."""
    if value.isascii():
        return _VALUE + value[:TEXT_LENGTH].lower()
    return _VALUE + unicodedata.normalize("NFKC", value.casefold())[:TEXT_LENGTH]


def plain_key(value: object) -> str:
    """For values whose text already sorts right: ISO dates, UTC moments of fixed width, identifiers."""
    return _VALUE + str(value)[:TEXT_LENGTH]


def boolean_key(value: object) -> str:
    return _VALUE + ("1" if value else "0")


def number_key(value: object) -> str:
    """Sign, exponent and digits, so that text order is numeric order; negative numbers are complemented."""
    number = Decimal(str(value)).normalize()
    if number == 0:
        return _VALUE + "5"
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    size = len(digits) + exponent + 5000
    body = f"{size:04d}" + "".join(map(str, digits))
    return _VALUE + ("4" + body.translate(_COMPLEMENT) + "~" if sign else "6" + body)


def unique_key(value: object) -> str:
    """For equality alone: exact, in a bounded length."""
    text = unicodedata.normalize("NFC", str(value))
    return text if len(text) <= TEXT_LENGTH else "#" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def key_prefix(prefix: str) -> tuple[str, str]:
    """Keys k with low <= k < high are those of texts that begin with `prefix`, letters of either case."""
    low = text_key(prefix)
    return low, low + "\U0010ffff"
