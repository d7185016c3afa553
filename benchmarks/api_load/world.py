"""The clinics that the load is for: tenants with patients, people in realistic roles, programs with keys."""

import random
from collections.abc import Iterator
from typing import Any

import attrs

from brickwork import Platform
from brickwork.auth import Grant, Role

WARDS = ("icu", "er", "general", "maternity")
TENANTS = ("st-marys", "north", "riverside", "hillview", "lakeside")
PLAN = "clinic"
#: High enough to refuse nobody: what is measured is what counting costs.
LIMITS = """
[limits.plans.clinic]
rates = [{per = "user", rate = "1000000/60s"}, {per = "tenant", rate = "10000000/60s"},
         {per = "user", rate = "500000/60s", name = "writing", routes = ["POST /api/v1/entities/*", "PATCH /api/v1/entities/*"]}]
quotas = [{name = "api_calls", limit = 1000000000, every = "month"}]
"""
PATIENT = {
    "name": "patient",
    "fields": {
        "given_name": {"type": "text", "max_length": 100},
        "family_name": {"type": "text", "required": True, "indexed": True, "max_length": 100},
        "birth_date": {"type": "date", "indexed": True},
        "email": {"type": "email"},
        "phone": {"type": "phone"},
        "ward": {"type": "choice", "choices": list(WARDS), "indexed": True},
        "weight": {"type": "decimal", "scale": 2},
        "active": {"type": "boolean", "default": True},
        "notes": {"type": "text"},
    },
}
#: A doctor sees all and changes those of the own ward; a nurse sees the own ward, without contact data, and writes down weights;
#: at the reception nobody reads notes; the laboratory's program may do all with patients.
ROLES = [
    Role(
        name="doctor",
        grants=[
            Grant(allow=["entities.patient.read", "entities.patient.create"]),
            Grant(allow=["entities.patient.update"], when="resource.ward == actor.attributes.ward"),
        ],
    ),
    Role(
        name="nurse",
        grants=[
            Grant(
                allow=["entities.patient.read"],
                when="resource.ward == actor.attributes.ward",
                fields=["given_name", "family_name", "birth_date", "ward", "weight", "active", "notes"],
            ),
            Grant(
                allow=["entities.patient.update"],
                when="resource.ward == actor.attributes.ward",
                fields=["weight", "notes"],
            ),
        ],
    ),
    Role(
        name="reception",
        grants=[
            Grant(allow=["entities.patient.read"]),
            Grant(deny=["entities.patient.read"], fields=["notes", "weight"]),
            Grant(
                allow=["entities.patient.create", "entities.patient.update"],
                fields=["given_name", "family_name", "birth_date", "email", "phone", "ward", "active"],
            ),
        ],
    ),
    Role(name="laboratory", grants=[Grant(allow=["entities.patient.*"])]),
]
#: Fields that a role must not see.
HIDDEN = {"nurse": ("email", "phone"), "reception": ("notes", "weight"), "doctor": (), "laboratory": ()}
#: People of each role in a tenant; each works on a ward, in turn.
PEOPLE = {"doctor": 6, "nurse": 8, "reception": 4}


@attrs.frozen
class Person:
    """Somebody, or a program, that calls."""

    tenant: str
    role: str
    ward: str
    token: str


def build(platform: Platform, patients: int) -> tuple[list[Person], dict[str, dict[str, list[str]]]]:
    """The callers, and the ids of the patients by tenant and ward."""
    people: list[Person] = []
    known: dict[str, dict[str, list[str]]] = {}
    for number, tenant in enumerate(TENANTS):
        with platform.context(tenant=tenant, actor="system:bench"):
            platform.entities.types.apply(PATIENT)
            for role in ROLES:
                platform.auth.roles.define(role)
            rows = list(_patients(number, patients // len(TENANTS)))
            ids = platform.entities.bulk.create_many("patient", rows).ids
            known[tenant] = {ward: [] for ward in WARDS}
            for row, id in zip(rows, ids, strict=True):
                known[tenant][row["ward"]].append(str(id))
            people += _people(platform, tenant)
    return people, known


def _people(platform: Platform, tenant: str) -> Iterator[Person]:
    for role, count in PEOPLE.items():
        for n in range(count):
            ward = WARDS[n % len(WARDS)]
            user = platform.auth.users.create(f"{role}{n}@{tenant}.example.org", f"{role} {n}")
            platform.auth.members.add(user, roles=[role], attributes={"ward": ward})
            yield Person(tenant, role, ward, platform.auth.sessions.begin(user, tenant=tenant).token)
    for n in range(2):
        service = platform.auth.services.create(f"laboratory{n}", roles=["laboratory"], attributes={"ward": WARDS[n]})
        token = platform.auth.keys.create(service, "bench").token
        assert token is not None
        yield Person(tenant, "laboratory", WARDS[n], token)


def _patients(seed: int, count: int) -> Iterator[dict[str, Any]]:
    chance = random.Random(seed)
    for n in range(count):
        yield {**details(chance, n), "ward": WARDS[n % len(WARDS)]}


def details(chance: random.Random, number: int) -> dict[str, Any]:
    """A patient's fields, but for the ward."""
    return {
        "given_name": f"Given{number % 701}",
        "family_name": f"Family{int(2000 * chance.random() ** 2)}",
        "birth_date": f"{chance.randint(1930, 2020)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}",
        "email": f"person{number}@example.org",
        "phone": f"+4930{1000000 + number}",
        "weight": f"{chance.randint(40, 120)}.50",
        "active": True,
        "notes": "admitted with a sprained ankle, otherwise well; to be seen again in two weeks",
    }
