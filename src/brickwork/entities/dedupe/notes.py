"""The phrase that tells a person what a comparison of two values found."""

from rapidfuzz.distance import OSA

from brickwork.entities.dedupe.columns import Column, Table
from brickwork.entities.dedupe.compare import LEVELS

#: From this many bits on, the rarity of a shared value is worth telling.
TELLING = 1.5
#: What the shared fields of kin take away again is told from this many bits on.
WORTH_SAYING = 0.05
KIN = "different ones of a kind, such as the members of a household, have as much in common"
#: Up to this many edited characters are counted in the note.
COUNTED_EDITS = 3


def note(table: Table, index: int, rows: tuple[int, int], level: int, rarity: float) -> str:
    """What field `index` of two rows shows, as part of a sentence; `level` as the comparer gave it."""
    column = table.columns[index]
    left, right = (int(column.codes[row]) for row in rows)
    if level > len(LEVELS[column.rule.compare]):
        return f"exchanged with {column.rule.swap_with}"
    if left < 0 or right < 0:
        return "missing on both sides" if left < 0 and right < 0 else "missing on one side"
    if level == 0:
        return f"exchanged, counted with {_partner(table, column)}"
    if left == right:
        return _same(column, rows, rarity)
    match column.rule.compare:
        case "date":
            return _dates(column.text(left), column.text(right))
        case "number":
            return f"{abs(float(column.folded[left]) - float(column.folded[right])):g} apart"
        case "exact":
            return "different"
        case "phonetic":
            return "sounds the same" if column.sounds[left] == column.sounds[right] >= 0 else "sounds different"
        case "name" | "fuzzy":
            return _texts(column, left, right, level)


def _partner(table: Table, column: Column) -> str:
    field = column.rule.field
    return next(other.rule.field for other in table.columns if other.rule.swap_with == field)


def _same(column: Column, rows: tuple[int, int], rarity: float) -> str:
    one, two = (column.original(row) for row in rows)
    text = "same" if one == two else "same but for the way it is written"
    if rarity >= TELLING:
        return f"{text}, a rare value"
    return f"{text}, a common value" if rarity <= -TELLING else text


def _texts(column: Column, left: int, right: int, level: int) -> str:
    one, two = column.text(left), column.text(right)
    if column.rule.compare == "name" and min(len(one), len(two)) == 1 and one[0] == two[0]:
        return "initial only on one side"
    edits = OSA.distance(one, two)
    if edits == 1:
        return _one_edit(one, two)
    different = level == len(LEVELS[column.rule.compare])
    if edits <= COUNTED_EDITS and not different:
        return f"{edits} characters differ"
    if column.rule.compare == "name" and column.sounds[left] == column.sounds[right] >= 0:
        return "sounds the same"
    return "different" if different else "similar"


def _one_edit(one: str, two: str) -> str:
    if len(one) != len(two):
        return "one character more or less"
    if sorted(one) == sorted(two):
        return "two neighbouring characters swapped"
    return "one character differs"


def _dates(one: str, two: str) -> str:
    (year, month, day), (year_2, month_2, day_2) = ((text[:4], text[4:6], text[6:]) for text in (one, two))
    if year == year_2 and (month, day) == (day_2, month_2):
        return "day and month swapped"
    edits = OSA.distance(one, two)
    if edits == 1:
        return "two neighbouring digits swapped" if sorted(one) == sorted(two) else "one digit differs"
    parts = {"year": year == year_2, "month": month == month_2, "day": day == day_2}
    same = [name for name, equal in parts.items() if equal]
    if len(same) == 2:
        return f"same {same[0]} and {same[1]}"
    return "two digits differ" if edits == 2 else "different"
