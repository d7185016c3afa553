"""Page selections as text: `1-3,7,z-10`, `2-`, `r1`, `1-z:odd` (the syntax of qpdf's page ranges, with open ends)."""

import re

from brickwork.errors import ValidationError

_ITEM = re.compile(r"(?P<first>z|r?[0-9]{1,9})?(?P<dash>-)?(?P<last>z|r?[0-9]{1,9})?")


def pages_of(selection: str | None, count: int) -> list[int]:
    """The pages (from 0) that a selection names, in its order; all for None. `z` is the last page, `r2` the last but one,
    `5-2` runs backwards, `:odd` and `:even` keep every second of what they follow. Raises `ValidationError`."""
    if selection is None:
        return list(range(count))
    body, _, every = selection.replace(" ", "").partition(":")
    found = [page for item in body.split(",") for page in _item(item, selection, count)]
    if every:
        if every not in {"odd", "even"}:
            raise ValidationError(f"pages {selection!r}: after the colon comes odd or even", field="pages")
        found = found[0 if every == "odd" else 1 :: 2]
    if not found:
        raise ValidationError(f"pages {selection!r} select no page", field="pages")
    return found


def _item(item: str, selection: str, count: int) -> list[int]:
    match = _ITEM.fullmatch(item)
    if not match or not (match["first"] or match["last"]):
        raise ValidationError(f"pages {selection!r}: {item!r} is not a page or a range such as 3, 2-5, 2- or r1", field="pages")
    first = _number(match["first"] or "1", selection, count)
    if not match["dash"]:
        return [first]
    last = _number(match["last"] or "z", selection, count)
    return list(range(first, last + 1)) if first <= last else list(range(first, last - 1, -1))


def _number(text: str, selection: str, count: int) -> int:
    if text == "z":
        return count - 1
    number = count + 1 - int(text[1:]) if text[0] == "r" else int(text)
    if not 1 <= number <= count:
        raise ValidationError(f"pages {selection!r}: there is no page {text}; the document has {count}", field="pages")
    return number - 1
