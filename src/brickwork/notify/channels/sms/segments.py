"""How many messages an SMS counts as: the 7-bit alphabet and its extension (GSM 03.38, 3GPP TS 23.038), or UCS-2, and the
shorter parts of a message that is sent in several (TS 23.040)."""

from typing import Literal

import attrs

#: The default alphabet, without the escape.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: Characters that take an escape before them, hence two places.
_EXTENDED = frozenset("\f^{}\\[~]|€")


@attrs.frozen
class Segments:
    """How a text is sent: its encoding, the places that it takes (septets, or UTF-16 units), and the messages it counts as."""

    encoding: Literal["gsm-7", "ucs-2"]
    units: int
    count: int


def segments(text: str) -> Segments:
    """What `text` counts as. No character is torn: what doesn't fit whole into a part begins the next one."""
    if all(character in _BASIC or character in _EXTENDED for character in text):
        widths = [2 if character in _EXTENDED else 1 for character in text]
        return Segments("gsm-7", sum(widths), _parts(widths, 160, 153))
    widths = [2 if character > "\uffff" else 1 for character in text]
    return Segments("ucs-2", sum(widths), _parts(widths, 70, 67))


def _parts(widths: list[int], alone: int, each: int) -> int:
    if sum(widths) <= alone:
        return 1
    count, used = 1, 0
    for width in widths:
        if used + width > each:
            count, used = count + 1, 0
        used += width
    return count
