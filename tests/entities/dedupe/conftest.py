"""Made-up people, some of them entered twice, for the tests of matching."""

import random
from collections.abc import Callable

import pytest

from brickwork.entities.dedupe import DedupeRules, FieldRule

SYLLABLES = ("ka", "ro", "mi", "ten", "sal", "vo", "dri", "lu", "pe", "nor", "ga", "bel", "th", "wyn", "os", "cre")
LETTERS = "abcdefghijklmnopqrstuvwxyz"

Person = dict[str, object]
People = tuple[list[tuple[int, Person]], set[tuple[int, int]]]


def with_typo(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text))
    changed = chance.choice([text[at], "", text[at] + chance.choice(LETTERS), chance.choice(LETTERS)])
    return text[:at] + changed + text[at + 1 :]


def make_people(count: int, *, twice: float, household: int = 1, seed: int = 7) -> People:
    """About `count` records of people who live `household` at one address; a share `twice` has a second record with
    slips. Gives the records and the pairs that are the same person."""
    chance = random.Random(seed)

    def word(syllables: int) -> str:
        return "".join(chance.choice(SYLLABLES) for _ in range(syllables))

    given, family, streets = ([word(n) for _ in range(size)] for n, size in ((2, 300), (3, 600), (4, 900)))
    records: list[tuple[int, Person]] = []
    same: set[tuple[int, int]] = set()
    while len(records) < count:
        name, street = chance.choice(family), f"{chance.randrange(1, 200)} {chance.choice(streets)} street"
        for _ in range(household):
            person: Person = {
                "given": chance.choice(given),
                "family": name,
                "born": f"{chance.randrange(1930, 2020)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}",
                "address": street,
            }
            records.append((len(records), person))
            if chance.random() < twice:
                again = dict(person)
                for field in ("given", "family", "address"):
                    if chance.random() < 0.25:
                        again[field] = with_typo(str(person[field]), chance)
                if chance.random() < 0.1:
                    again["born"] = None
                same.add((len(records) - 1, len(records)))
                records.append((len(records), again))
    return records, same


@pytest.fixture
def people() -> Callable[..., People]:
    return make_people


@pytest.fixture
def person_rules() -> DedupeRules:
    return DedupeRules(
        fields=(
            FieldRule(field="given", compare="name", swap_with="family"),
            FieldRule(field="family", compare="name"),
            FieldRule(field="born", compare="date"),
            FieldRule(field="address", compare="fuzzy"),
        )
    )
