"""A small clinic on each database: surgeons, rooms and patients of the tenant "st-marys"."""

from collections.abc import Iterator

import pytest

from brickwork.entities import Entities
from brickwork.kernel.platform import Platform

SURGEON = {
    "name": "surgeon",
    "fields": {"name": {"type": "text", "required": True, "indexed": True}, "code": {"type": "text", "unique": True}},
}
PATIENT = {
    "name": "patient",
    "title": "{family_name}, {given_name}",
    "fields": {
        "family_name": {"type": "text", "required": True, "indexed": True},
        "given_name": {"type": "text"},
        "birth_date": {"type": "date", "indexed": True},
        "weight": {"type": "decimal", "scale": 2, "indexed": True, "min": 0},
        "height": {"type": "number"},
        "mrn": {"type": "text", "unique": True},
        "insurance_no": {"type": "text", "sensitive": True, "indexed": True},
        "email": {"type": "email"},
        "phone": {"type": "phone", "region": "DE"},
        "site": {"type": "url"},
        "ward": {"type": "choice", "choices": ["icu", "er", "general"]},
        "allergies": {"type": "multi_choice", "choices": ["nuts", "latex", "penicillin"]},
        "active": {"type": "boolean", "default": True},
        "fee": {"type": "money"},
        "admitted": {"type": "datetime", "indexed": True},
        "discharged": {"type": "datetime"},
        "scan": {"type": "file"},
        "extra": {"type": "json", "max_bytes": 100},
        "surgeon": {"type": "reference", "target": "surgeon"},
        "heavy": {"type": "computed", "expression": "weight > 100.0", "result": "boolean"},
    },
    "relations": {
        "relative": {"target": "patient", "attributes": {"kind": {"type": "choice", "choices": ["parent", "sibling"]}}},
        "bed_neighbour": {"target": "patient", "cardinality": "one_to_one"},
        "guardian": {"target": "patient", "cardinality": "many_to_one", "on_delete": "cascade"},
    },
    "rules": [
        {"check": "discharged >= admitted", "message": {"en": "discharged before admitted"}, "field": "discharged"},
        {"check": "birth_date <= now", "message": "born in the future", "field": "birth_date"},
    ],
    "unique_together": [["family_name", "given_name", "birth_date"]],
}


@pytest.fixture
def clinic(platform: Platform) -> Iterator[Entities]:
    """The entities service, in the context of a tenant whose types are applied."""
    with platform.context(tenant="st-marys", actor="user:ito"):
        platform.entities.types.apply(SURGEON)
        platform.entities.types.apply(PATIENT)
        yield platform.entities
