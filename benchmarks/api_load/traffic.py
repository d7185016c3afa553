"""The load generator: a clinic's mixed traffic at a constant rate, from many callers.

Run as a process of its own: `python -m benchmarks.api_load.traffic` reads a job as JSON and prints figures as JSON.
"""

import asyncio
import json
import random
import sys
from typing import Any
from urllib.parse import quote

from benchmarks.api_entities.load import connections, offer, request
from benchmarks.api_load.world import details

PATH = "/api/v1/entities/patient"
#: 60 % read, 25 % list or search, 15 % write.
MIX = {"read": 60, "list": 10, "ward": 8, "search": 7, "update": 10, "create": 5}
GOOD = {"read": 200, "list": 200, "ward": 200, "search": 200, "update": 200, "create": 201}


class Traffic:
    """Makes requests. Patients come up unevenly: half of the requests are for a quarter of them."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._chance = random.Random(job["seed"])
        self._patients: dict[str, dict[str, list[str]]] = job["patients"]
        self._people: list[dict[str, str]] = job["people"]
        self._creators = [person for person in self._people if person["role"] != "nurse"]
        self._port = job["port"]
        self._number = job["seed"] * 10_000_000

    def plan(self, count: int) -> list[tuple[str, bytes]]:
        """Operations, and the requests for them."""
        operations = self._chance.choices(list(MIX), list(MIX.values()), k=count)
        return [(operation, self._made(operation)) for operation in operations]

    def _made(self, operation: str) -> bytes:
        self._number += 1
        person = self._chance.choice(self._creators if operation == "create" else self._people)
        job = {"port": self._port, "headers": [f"Authorization: Bearer {person['token']}"]}
        if operation == "read":
            return request(job, "GET", f"{PATH}/{self._id(person, own=person['role'] == 'nurse')}")
        if operation == "list":
            return request(job, "GET", f"{PATH}?limit=20")
        if operation == "ward":
            return request(job, "GET", f"{PATH}?limit=20&sort=family_name&filter={_json({'ward': person['ward']})}")
        if operation == "search":
            wanted = {"family_name": {"starts_with": f"family{int(200 * self._chance.random() ** 2)}"}}
            return request(job, "GET", f"{PATH}?limit=20&filter={_json(wanted)}")
        if operation == "update":
            return request(job, "PATCH", f"{PATH}/{self._id(person, own=True)}", {"fields": self._changes(person)})
        fields = {**details(self._chance, self._number), "ward": person["ward"]}
        if person["role"] == "reception":
            fields = {name: value for name, value in fields.items() if name not in ("notes", "weight")}
        return request(job, "POST", PATH, {"fields": fields})

    def _changes(self, person: dict[str, str]) -> dict[str, Any]:
        if person["role"] == "reception":
            return {"phone": f"+4930{1_000_000 + self._number % 8_999_999}"}
        return {"weight": f"{self._chance.randint(40, 120)}.25", "notes": f"seen again, visit {self._number}"}

    def _id(self, person: dict[str, str], *, own: bool) -> str:
        wards = self._patients[person["tenant"]]
        ids = wards[person["ward"] if own else self._chance.choice(list(wards))]
        return ids[int(len(ids) * self._chance.random() ** 2)]


def _json(value: Any) -> str:
    return quote(json.dumps(value))


async def main(job: dict[str, Any]) -> dict[str, Any]:
    """The figures of one rate."""
    plan = Traffic(job).plan(int(job["rate"] * job["seconds"]))
    return await offer(plan, GOOD, await connections(job["port"], job["connections"]), job["rate"])


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.loads(sys.stdin.read())))))
