"""What a product says about duplicates: which fields are compared and how, which records may meet, when to ask a person.

The rules are a definition (plain data, stored per tenant); `find_duplicates` reads them and never the other way round.
"""

import re
from typing import Annotated, Literal, Self

import pydantic

#: How two values of a field are compared; `FieldRule` says what each one forgives.
Compare = Literal["exact", "fuzzy", "name", "phonetic", "date", "number"]

#: More rules than this would not fit the 3 bits a field gets in a 64-bit comparison pattern.
MAX_FIELDS = 20

#: `field`, `field:part` or `field:part` with a length.
_KEY = re.compile(r"(?P<field>[^:]+)(?::(?P<part>[a-z]+)(?P<length>\d*))?")

_TEXT_PARTS = ("soundex", "initial", "first", "digits")
_DATE_PARTS = ("year", "monthday")


class FieldRule(pydantic.BaseModel, extra="forbid", frozen=True):
    """How one field counts. Values are compared without regard to case, accents, punctuation at the ends and spacing.

    `compare`:

    - `exact`: the same or not (a country, a sex, a department);
    - `fuzzy`: free text or numbers written as text; forgives slips of the keyboard (an address, an identifier);
    - `name`: a part of a person's name; forgives slips, spellings that sound alike and initials;
    - `phonetic`: only whether it sounds the same (Soundex), for names taken down by ear;
    - `date`: a `date`, `datetime` or text such as `1980-02-11` or `19800211`; forgives day and month swapped and a
      wrong digit. Text that is no such date counts as missing;
    - `number`: forgives a difference of up to `tolerance`. Text that is no number counts as missing.

    A missing value (None, NaN, blank text) speaks neither for nor against a pair.
    """

    field: Annotated[str, pydantic.StringConstraints(min_length=1, pattern=r"^[^:]+$")]
    compare: Compare
    #: `number` only: numbers at most this far apart are close, in the field's unit. None: one percent of the larger.
    tolerance: Annotated[float, pydantic.Field(ge=0)] | None = None
    #: `name` and `fuzzy` only: the field with which people exchange this one (first and last name).
    swap_with: str | None = None
    #: Whether different things often have the value in common, as the members of a household their address and family
    #: name. If only such fields agree, a pair is no match. None: yes for `exact`, `fuzzy` and `number`; for the others
    #: only where the records show it (what were taken for matches mostly differ in other such fields).
    shared: bool | None = None
    #: Whether agreeing on a rare value says more than agreeing on a common one (Winkler 1989).
    rare_values_count_more: bool = True

    @property
    def is_shared(self) -> bool:
        """`shared`, with the default for the comparison (see `model` for what the records may add to it)."""
        return self.compare in ("exact", "fuzzy", "number") if self.shared is None else self.shared

    @pydantic.model_validator(mode="after")
    def _options_fit(self) -> Self:
        if self.tolerance is not None and self.compare != "number":
            raise ValueError(f"{self.field}: tolerance is for compare='number', not {self.compare!r}")
        if self.swap_with is not None and self.compare not in ("name", "fuzzy"):
            raise ValueError(f"{self.field}: swap_with is for compare='name' or 'fuzzy', not {self.compare!r}")
        if self.swap_with == self.field:
            raise ValueError(f"{self.field}: swap_with must name another field")
        return self


class BlockingKey(pydantic.BaseModel, extra="forbid", frozen=True):
    """One thing that two records must share to meet: a field's value, or a part of it.

    Written `field`, `field:soundex`, `field:initial`, `field:first3` (any length), `field:digits`, for dates
    `field:year` or `field:monthday`, and for a field with `swap_with` `field:pair` (both values in either order).
    """

    field: str
    part: str | None = None
    length: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the notation above; ValueError says what is wrong with it."""
        found = _KEY.fullmatch(text)
        if found is None:
            raise ValueError(f"blocking key {text!r}: write 'field' or 'field:part', such as 'family_name:soundex'")
        part, length = found["part"], found["length"]
        known = (*_TEXT_PARTS, *_DATE_PARTS, "pair")
        if part is not None and part not in known:
            raise ValueError(f"blocking key {text!r}: unknown part {part!r}; known are {', '.join(known)}")
        if bool(length) != (part == "first") or length == "0":
            raise ValueError(f"blocking key {text!r}: 'first' takes a length (first3), and no other part does")
        return cls(field=found["field"], part=part, length=int(length or 0))

    def __str__(self) -> str:
        return self.field if self.part is None else f"{self.field}:{self.part}{self.length or ''}"


class DedupeRules(pydantic.BaseModel, extra="forbid", frozen=True):
    """Everything `find_duplicates` needs to know about an entity type.

    `blocking`: each entry is a list of keys that two records must share all of to be compared, and sharing one entry
    is enough. None derives the entries from the field rules and the data: it takes those keys that are selective
    enough, joins those that are not, and leaves out pairs that share too little to be a match.
    """

    fields: Annotated[tuple[FieldRule, ...], pydantic.Field(min_length=1, max_length=MAX_FIELDS)]
    blocking: tuple[Annotated[tuple[str, ...], pydantic.Field(min_length=1)], ...] | None = None
    #: Probability from which a pair may be merged without asking.
    sure: Annotated[float, pydantic.Field(gt=0, lt=1)] = 0.99
    #: Probability from which a person is asked; pairs below it are not reported.
    review: Annotated[float, pydantic.Field(gt=0, lt=1)] = 0.5

    @pydantic.model_validator(mode="after")
    def _names_fit(self) -> Self:
        by_name = {rule.field: rule for rule in self.fields}
        if len(by_name) != len(self.fields):
            names = [rule.field for rule in self.fields]
            raise ValueError(f"two rules for the same field: {', '.join(sorted({n for n in names if names.count(n) > 1}))}")
        if self.review > self.sure:
            raise ValueError(f"review ({self.review}) must not be above sure ({self.sure})")
        swapped: set[str] = set()
        for rule in self.fields:
            if rule.swap_with is None:
                continue
            partner = by_name.get(rule.swap_with)
            if partner is None or partner.compare != rule.compare:
                raise ValueError(
                    f"{rule.field}: swap_with={rule.swap_with!r} must name a field that has a rule with the same compare"
                )
            if swapped & {rule.field, partner.field}:
                raise ValueError(f"{rule.field}: say swap_with on one of the two fields only, and once a field")
            swapped |= {rule.field, partner.field}
        if self.blocking is not None and not self.blocking:
            raise ValueError("blocking: give at least one list of keys, or None to derive them")
        for keys in self.blocking or ():
            for text in keys:
                self._check_key(BlockingKey.parse(text), by_name)
        return self

    @staticmethod
    def _check_key(key: BlockingKey, by_name: dict[str, FieldRule]) -> None:
        rule = by_name.get(key.field)
        if rule is None:
            raise ValueError(f"blocking key '{key}': no rule for field {key.field!r}; fields with rules are {', '.join(by_name)}")
        if key.part in _DATE_PARTS and rule.compare != "date":
            raise ValueError(f"blocking key '{key}': {key.part} is a part of dates, and {key.field} is {rule.compare!r}")
        if key.part in _TEXT_PARTS and rule.compare in ("date", "number"):
            raise ValueError(f"blocking key '{key}': {key.part} is a part of text, and {key.field} is a {rule.compare}")
        if key.part == "pair" and rule.swap_with is None:
            raise ValueError(f"blocking key '{key}': pair needs swap_with on the rule of {key.field}")

    def keys(self) -> tuple[tuple[BlockingKey, ...], ...] | None:
        """The blocking entries, parsed."""
        if self.blocking is None:
            return None
        return tuple(tuple(BlockingKey.parse(text) for text in keys) for keys in self.blocking)
