"""Bring values to the form in which they are compared: text folded, dates as eight digits, numbers as floats.

Also Soundex, the one phonetic code: Russell and Odell (US patents 1,261,167 of 1918 and 1,435,663 of 1922), in the form
the United States National Archives use.
"""

import datetime
import math
import re
import unicodedata
from collections.abc import Mapping

_EDGES = " \t\r\n.,;:'\"-_/"
_NOT_DIGIT = re.compile(r"\D+")
_YEAR_FIRST = re.compile(r"(\d{4})\D(\d{1,2})\D(\d{1,2})(?:[T ].*)?")
_YEAR_LAST = re.compile(r"(\d{1,2})\D(\d{1,2})\D(\d{4})(?:[T ].*)?")
_RUN = re.compile(r"(.)\1+")


def _soundex_digits() -> dict[int, str | None]:
    """What each ASCII character becomes: a digit, `0` for a vowel, nothing for h, w and all that is no letter."""
    digits: dict[int, str | None] = dict.fromkeys(range(128))
    groups = {"0": "aeiouy", "1": "bfpv", "2": "cgjkqsxz", "3": "dt", "4": "l", "5": "mn", "6": "r"}
    return digits | {ord(letter): digit for digit, letters in groups.items() for letter in letters}


_SOUNDEX = _soundex_digits()


def fold_text(value: object) -> str | None:
    """Text without case, accents, spacing and edge punctuation; None if nothing is left.

    A list or tuple is joined by spaces; any other value is taken as `str` writes it (a whole float without its `.0`).
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    elif isinstance(value, list | tuple):
        value = " ".join(str(part) for part in value)
    text = str(value).casefold()
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text)
        text = "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()
    return " ".join(text.split()).strip(_EDGES) or None


def fold_date(value: object) -> str | None:
    """A date as `YYYYMMDD`; None if the value holds none.

    Text may be `1980-02-11` (a time after it is ignored), `19800211` or `11.2.1980` with any separator. In the last form
    the day is taken to come first; where it does not, the comparison sees day and month swapped.

    Days that no calendar has (`19800231`) are kept: a typing slip must still be comparable.
    """
    if isinstance(value, datetime.date):
        return f"{value:%Y%m%d}" if value.year > 999 else f"{value.year:04d}{value:%m%d}"
    if isinstance(value, float) and not math.isnan(value) and value.is_integer():
        value = int(value)
    if value is None or not isinstance(value, str | int):
        return None
    text = str(value).strip()
    if found := _YEAR_FIRST.fullmatch(text):
        year, month, day = found.groups()
    elif found := _YEAR_LAST.fullmatch(text):
        day, month, year = found.groups()
    elif len(text) == 8 and text.isdecimal():
        return text
    else:
        return None
    return f"{year}{month:0>2}{day:0>2}"


def fold_number(value: object) -> float | None:
    """A finite number as float; None for anything else."""
    if value is None or isinstance(value, Mapping | list | tuple):
        return None
    try:
        number = float(value if isinstance(value, int | float) else str(value).strip())
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def soundex(text: str) -> str | None:
    """The four-character Soundex code of folded text; None if it holds no letter a to z.

    >>> soundex("robert"), soundex("rupert"), soundex("ashcraft")
    ('R163', 'R163', 'A261')
    """
    if not text.isascii():
        text = "".join(c for c in text if c.isascii())
    first = next((c for c in text if "a" <= c <= "z"), None)
    if first is None:
        return None
    digits = text.translate(_SOUNDEX)
    if first in "hw":  # which left no digit
        digits = "0" + digits
    # equal digits in a row count once, unless a vowel parts them; the first is the letter itself
    return first.upper() + _RUN.sub(r"\1", digits)[1:].replace("0", "")[:3].ljust(3, "0")


def part_of(text: str, part: str, length: int) -> str | None:
    """The part of a folded value that a blocking key names (see `rules.BlockingKey`)."""
    match part:
        case "soundex":
            return soundex(text)
        case "initial":
            return text[0]
        case "first":
            return text[:length]
        case "digits":
            return _NOT_DIGIT.sub("", text) or None
        case "year":
            return text[:4]
        case "monthday":
            return text[4:]
    raise ValueError(f"unknown part {part!r}")
