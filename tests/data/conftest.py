"""The ward of two tenants: alpha, who asks, and beta, whose rows must never show."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import attrs
import pytest

from brickwork.data import Transaction
from brickwork.kernel.platform import Platform
from brickwork.testing.plugin import PlatformMaker
from brickwork.testing.ward import Patient, Tag, Visit, component


@attrs.frozen
class TwoTenants:
    """Alpha has Ann and Abe, beta has Bob; each of Ann and Bob has a visit and a tag. Both tags are called 'urgent'."""

    platform: Platform
    ann: UUID
    abe: UUID
    bob: UUID
    ann_visit: UUID
    bob_visit: UUID
    bob_tag: UUID

    @contextmanager
    def tenant(self, name: str, *, readonly: bool = False) -> Iterator[Transaction]:
        with self.platform.context(tenant=name, actor="user:test"), self.platform.transaction(readonly=readonly) as tx:
            yield tx

    def alpha(self, *, readonly: bool = False):
        return self.tenant("alpha", readonly=readonly)

    def beta(self):
        return self.tenant("beta")

    def bob_is_untouched(self) -> bool:
        with self.beta() as tx:
            bob = tx.session.get(Patient, ("beta", self.bob))
            rows = tx.session.query(Patient).count(), tx.session.query(Visit).count(), tx.session.query(Tag).count()
            return bob is not None and bob.name == "Bob" and bob.version == 1 and rows == (1, 1, 1)


@pytest.fixture
def ward(make_platform: PlatformMaker, request: pytest.FixtureRequest) -> Platform:
    """A platform with the ward's tables, on each database; its clock is `frozen_clock` where the test asks for one."""
    frozen = "frozen_clock" in request.fixturenames
    return make_platform(
        components=["ward"],
        plugins=[component],
        clock=request.getfixturevalue("frozen_clock") if frozen else None,
        database={"busy_timeout": 1.0},
    )


@pytest.fixture
def two(ward: Platform) -> TwoTenants:
    with ward.context(tenant="alpha"), ward.transaction() as tx:
        visit = Visit(reason="fracture")
        ann = Patient(name="Ann", code="P1", visits=[visit], tags=[Tag(name="urgent")])
        abe = Patient(name="Abe", code="P2")
        tx.session.add_all([ann, abe])
        tx.session.flush()
        mine = (ann.id, abe.id, visit.id)
    with ward.context(tenant="beta"), ward.transaction() as tx:
        visit, tag = Visit(reason="secret"), Tag(name="urgent")
        bob = Patient(name="Bob", code="P1", visits=[visit], tags=[tag])
        tx.session.add(bob)
        tx.session.flush()
        theirs = (bob.id, visit.id, tag.id)
    return TwoTenants(ward, mine[0], mine[1], theirs[0], mine[2], theirs[1], theirs[2])
