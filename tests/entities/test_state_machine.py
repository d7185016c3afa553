"""The entity API driven at random beside a plain model: create, update, delete, restore, purge, bulk, query, merge."""

import tempfile

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from brickwork import Platform
from brickwork.errors import DuplicateError, NotFoundError, StaleVersionError, ValidationError

TYPE = {
    "name": "thing",
    "fields": {
        "name": {"type": "text", "required": True, "indexed": True},
        "code": {"type": "text", "unique": True},
        "size": {"type": "number", "integer": True, "indexed": True, "min": 0},
        "secret": {"type": "text", "sensitive": True, "indexed": True},
    },
}
NAMES = st.sampled_from(["a", "B", "ä", "z'", ""])
CODES = st.none() | st.sampled_from(["1", "2", "3"])
SIZES = st.none() | st.integers(-1, 3)
FIELDS = st.fixed_dictionaries(
    {}, optional={"name": NAMES, "code": CODES, "size": SIZES, "secret": st.none() | st.sampled_from("xy")}
)


class Things(RuleBasedStateMachine):
    """`live` and `gone` hold what each record must look like; `versions` how often it changed."""

    ids = Bundle("ids")

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.platform = Platform(["entities"], settings={"platform": {"data_dir": self.folder.name}}, discover=False)
        self.platform.migrate()
        self.platform.enter(tenant="t", actor="machine")
        self.things = self.platform.entities
        self.things.types.apply(TYPE)
        self.live: dict = {}
        self.gone: dict = {}
        self.versions: dict = {}

    def teardown(self):
        self.platform.close()
        self.folder.cleanup()

    def fault(self, data, but=None):
        """The error that storing `data` must raise, or None."""
        if not data.get("name") or (data.get("size") is not None and data["size"] < 0):
            return ValidationError
        taken = {d.get("code") for id, d in self.live.items() if id != but}
        return DuplicateError if data.get("code") is not None and data["code"] in taken else None

    def attempt(self, fault, call):
        """The result of `call`, or None if it raised the error that it must raise."""
        if fault is None:
            return call()
        try:
            call()
        except fault:
            return None
        raise AssertionError(f"{fault.__name__} was not raised")

    @rule(target=ids, data=FIELDS)
    def create(self, data):
        clean = {n: v for n, v in data.items() if v is not None}
        record = self.attempt(self.fault(data), lambda: self.things.create("thing", data))
        if record is None:
            return "00000000-0000-7000-8000-000000000000"
        self.live[record.id], self.versions[record.id] = clean, 1
        return record.id

    @rule(id=ids, changes=FIELDS, stale=st.booleans())
    def update(self, id, changes, stale):
        if id not in self.live:
            self.attempt(NotFoundError, lambda: self.things.update("thing", id, changes))
            return
        version = self.versions[id] - 1 if stale else self.versions[id]
        after = {n: v for n, v in {**self.live[id], **changes}.items() if v is not None}
        fault = StaleVersionError if stale else self.fault(after | ({"name": changes["name"]} if "name" in changes else {}), id)
        record = self.attempt(fault, lambda: self.things.update("thing", id, changes, version=version))
        if record is not None:
            self.versions[id] += after != self.live[id]
            self.live[id] = after

    @rule(id=ids)
    def delete(self, id):
        if id in self.live:
            self.things.delete("thing", id)
            self.gone[id] = self.live.pop(id)
            self.versions[id] += 1
        else:
            self.attempt(NotFoundError, lambda: self.things.delete("thing", id))

    @rule(id=ids)
    def restore(self, id):
        back = id in self.gone and self.attempt(self.fault(self.gone[id]), lambda: self.things.restore("thing", id))
        if back:
            self.live[id] = self.gone.pop(id)
            self.versions[id] += 1

    @rule(id=consumes(ids))
    def purge(self, id):
        if id in self.gone:
            self.things.purge("thing", id)
            del self.gone[id]
        elif id in self.live:
            self.attempt(ValidationError, lambda: self.things.purge("thing", id))

    @rule(rows=st.lists(FIELDS, max_size=4))
    def create_many(self, rows):
        result = self.things.bulk.create_many("thing", rows, all_or_nothing=False)
        expected = 0
        written = iter(result.ids)
        for row in rows:
            if self.fault(row) is None:
                id = next(written)
                self.live[id], self.versions[id] = {n: v for n, v in row.items() if v is not None}, 1
                expected += 1
        assert (result.created, result.failed) == (expected, len(rows) - expected)

    @rule(name=NAMES, size=st.integers(0, 3))
    def query(self, name, size):
        def ids(where):
            return {record.id for record in self.things.query("thing", where, limit=500)}

        assert ids({"name": name}) == {i for i, d in self.live.items() if d["name"] == name}
        assert ids({"size": {"gte": size}}) == {i for i, d in self.live.items() if d.get("size", -1) >= size}
        assert ids({"size": None}) == {i for i, d in self.live.items() if "size" not in d}
        assert ids({"secret": "x"}) == {i for i, d in self.live.items() if d.get("secret") == "x"}
        sizes = [record["size"] for record in self.things.query("thing", sort=["size"], limit=500)]
        assert sizes == sorted(sizes, key=lambda s: (s is None, s or 0))

    @invariant()
    def records_are_as_the_model_says(self):
        stored = {record.id: record for record in self.things.query("thing", limit=500)}
        assert {id: record.data for id, record in stored.items()} == self.live
        assert {id: record.version for id, record in stored.items()} == {id: self.versions[id] for id in self.live}


Things.TestCase.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestThings = Things.TestCase
