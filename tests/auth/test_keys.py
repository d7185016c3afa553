"""API keys and service accounts: shown once, kept as digests, scoped, ended, replaced, and over at once in every process."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from zlib import crc32

import pytest
from sqlalchemy import event, select

from brickwork.auth import secret
from brickwork.auth.models import KeyRow
from brickwork.errors import (
    ConflictError,
    DuplicateError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
    ValidationError,
)

READ, WRITE = "entities.patient.read", "entities.patient.update"


@pytest.fixture
def keys(tenant):
    return tenant.auth.keys


@pytest.fixture
def robot(tenant):
    return tenant.auth.services.create("robot", roles=["administrator"])


@pytest.fixture
def shown(tenant):
    """Who calls with a key."""
    return lambda key: tenant.auth.identify({"authorization": f"Bearer {key.token}"}, "POST")


@pytest.fixture
def elsewhere(platform, make_platform):
    """The same product in another process: other memory, the same database."""
    section = platform.settings.database
    return make_platform(clock=platform.clock, database={"url": section.url, "owner_url": section.owner_url})


def over(auth, key):
    with pytest.raises(UnauthenticatedError):
        auth.identify({"authorization": f"Bearer {key.token}"})


def test_a_key_names_its_kind_and_tenant_and_ends_with_a_checksum(keys, robot):
    token = keys.create(robot, "nightly").token
    head, _, random = token.rpartition("_")
    assert head == "bwk_alpha"
    assert len(random) == 43 + 6
    number, digits = crc32(token[:-6].encode()), ""
    while len(digits) < 6:
        number, rest = divmod(number, 62)
        digits += "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[rest]
    assert token[-6:] == digits


def test_a_mistyped_or_invented_key_is_refused_without_a_query(tenant, keys, robot):
    token = keys.create(robot, "nightly").token
    tenant.auth.identify({"authorization": f"Bearer {token}"})
    seen = []
    engines = {tenant.database.engines.read, tenant.database.engines.write}

    def note(connection, cursor, statement, parameters, context, many):
        seen.append(statement)

    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    swapped = token[:20] + token[21] + token[20] + token[22:]
    for wrong in (swapped, token[:-1], token.replace("alpha", "beta"), "bwk_", "bwk_alpha_" + "a" * 49, "bwk_x_ü", token + "a"):
        if wrong != token:
            with pytest.raises(UnauthenticatedError):
                tenant.auth.identify({"authorization": f"Bearer {wrong}"})
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)
    assert seen == []


def test_a_key_is_shown_once_and_kept_as_a_digest(tenant, keys, robot):
    made = keys.create(robot, " nightly ", lifetime=timedelta(days=30))
    [listed] = keys.list()
    assert listed.token is None
    assert (listed.name, listed.subject, listed.created_by, listed.ending) == ("nightly", robot, "setup", made.token[-6:])
    with tenant.database.transaction(readonly=True) as transaction:
        [row] = transaction.session.scalars(select(KeyRow).where(KeyRow.tenant_id == "alpha"))
        assert row.digest == secret.digest(made.token)
        assert made.token not in repr(vars(row))
    assert not any(row.digest in str(entry) for entry in tenant.audit.entries(entity="auth_key").items)


def test_a_key_does_what_its_subject_may_within_its_scopes(tenant, keys, member, shown):
    kim = member({"allow": ["entities.patient.*"]})
    whole, narrow = keys.create(kim, "whole"), keys.create(kim, "narrow", scopes=["entities.*.read", "jobs.*"])
    assert shown(whole).actor == shown(narrow).actor == kim
    assert shown(whole).access.allows(WRITE)
    assert shown(narrow).access.allows(READ)
    assert not shown(narrow).access.allows(WRITE)
    assert not shown(narrow).access.allows("jobs.read")  # a scope gives nothing that the subject has not
    tenant.auth.roles.withdraw("role-kim", kim)
    assert not shown(whole).access.allows(READ)
    for scopes in (["Entities"], ["*x"], [""]):
        with pytest.raises(ValidationError, match="permissions"):
            keys.create(kim, "odd", scopes=scopes)


def test_a_key_works_in_its_own_tenant_only(tenant, keys, robot, shown):
    key = keys.create(robot, "nightly")
    assert shown(key).tenant == "alpha"
    with tenant.context(tenant="beta", actor="setup"):
        assert keys.list() == []
        for touch in (keys.revoke, keys.rotate):
            with pytest.raises(NotFoundError):
                touch(key.id)
        with pytest.raises(ValidationError, match="robot"):
            keys.create(robot, "nightly")
        assert shown(key).tenant == "alpha"


def test_a_key_ends_with_its_time(tenant, keys, robot, shown, frozen_clock):
    key = keys.create(robot, "short", lifetime=timedelta(hours=1))
    forever = keys.create(robot, "long", lifetime=None)
    assert shown(key)
    frozen_clock.advance(hours=1)
    over(tenant.auth, key)
    frozen_clock.advance(days=10_000)
    assert shown(forever)
    with pytest.raises(ValidationError, match="lifetime"):
        keys.create(robot, "none", lifetime=timedelta())


def test_a_revoked_key_is_over_at_once_in_every_process(tenant, keys, robot, elsewhere):
    key = keys.create(robot, "nightly")
    for one in (tenant, elsewhere):
        assert one.auth.identify({"authorization": f"Bearer {key.token}"}).actor == robot
    with elsewhere.context(tenant="alpha", actor="setup"):
        elsewhere.auth.keys.revoke(key.id)
    over(tenant.auth, key)
    over(elsewhere.auth, key)
    assert keys.list()[0].revoked_at is not None
    with pytest.raises(NotFoundError):
        keys.revoke("no-id")


def test_a_key_is_replaced_with_an_overlap(tenant, keys, robot, shown, frozen_clock, elsewhere):
    old = keys.create(robot, "nightly", scopes=["jobs.*"], lifetime=timedelta(days=30))
    for one in (tenant, elsewhere):
        one.auth.identify({"authorization": f"Bearer {old.token}"})
    frozen_clock.advance(days=20)
    new = keys.rotate(old.id, overlap=timedelta(hours=2))
    assert (new.name, new.subject, new.scopes) == ("nightly", robot, ("jobs.*",))
    assert new.expires_at == frozen_clock.now() + timedelta(days=30)
    assert shown(old).actor == shown(new).actor
    frozen_clock.advance(hours=2)
    for one in (tenant, elsewhere):
        over(one.auth, old)
    assert shown(new)
    with pytest.raises(ConflictError, match="replaced"):
        keys.rotate(old.id)
    last = keys.rotate(new.id, overlap=timedelta())
    over(tenant.auth, new)
    keys.revoke(last.id)
    with pytest.raises(ConflictError, match="revoked"):
        keys.rotate(last.id)
    with pytest.raises(ValidationError, match="overlap"):
        keys.rotate(keys.create(robot, "x").id, overlap=timedelta(hours=-1))


def test_of_two_who_replace_a_key_at_once_one_gets_a_new_one(tenant, keys, robot):
    old = keys.create(robot, "nightly")

    def attempt(_):
        with tenant.context(tenant="alpha", actor="setup"):
            try:
                return keys.rotate(old.id)
            except ConflictError:
                return None

    with ThreadPoolExecutor(4) as pool:
        assert len([one for one in pool.map(attempt, range(4)) if one is not None]) == 1


def test_a_replaced_key_does_not_live_longer_than_it_would_have(keys, robot, frozen_clock):
    old = keys.create(robot, "nightly", lifetime=timedelta(hours=1))
    keys.rotate(old.id, overlap=timedelta(days=7))
    assert next(key for key in keys.list() if key.id == old.id).expires_at == frozen_clock.now() + timedelta(hours=1)


def test_when_a_key_was_used_is_noted_every_few_minutes(keys, robot, shown, frozen_clock):
    key = keys.create(robot, "nightly")
    assert keys.list()[0].used_at is None
    first = frozen_clock.now()
    shown(key)
    frozen_clock.advance(minutes=1)
    shown(key)
    assert keys.list()[0].used_at == first
    frozen_clock.advance(minutes=5)
    shown(key)
    assert keys.list()[0].used_at == frozen_clock.now()


def test_many_first_uses_at_once_all_work(tenant, keys, robot, elsewhere):
    key = keys.create(robot, "nightly")
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(one.auth.identify, {"authorization": f"Bearer {key.token}"}) for one in (tenant, elsewhere) * 4]
        assert {call.result().actor for call in calls} == {robot}


# -- who may make which ------------------------------------------------------------------------------------------------


def test_people_make_keys_for_themselves_and_for_others_with_the_permission(tenant, keys, member, robot):
    kim, boss = member({"allow": ["jobs.read"]}), member({"allow": ["*"]}, name="boss")
    with tenant.auth.acting_as(kim):
        own = keys.create(kim, "mine")
        assert [key.id for key in keys.list(kim)] == [own.id]
        for denied in (lambda: keys.create(boss, "theirs"), lambda: keys.list(), lambda: keys.list(boss)):
            with pytest.raises(PermissionDeniedError):
                denied()
    with tenant.auth.acting_as(boss):
        keys.revoke(own.id)
        assert keys.create(robot, "nightly")


def test_nobody_gets_more_by_a_key_than_they_have(tenant, keys, member, robot):
    clerk = member({"allow": ["auth.keys.*", "jobs.*"]}, name="clerk")
    strong, weak = keys.create(robot, "strong"), keys.create(robot, "weak", scopes=["jobs.*"])
    with tenant.auth.acting_as(clerk):
        for attempt in (lambda: keys.create(robot, "mine"), lambda: keys.rotate(strong.id)):
            with pytest.raises(PermissionDeniedError):
                attempt()
        assert keys.create(robot, "mine", scopes=["jobs.read"])
        assert keys.rotate(weak.id)


def test_a_narrow_key_makes_and_replaces_no_wider_one(tenant, keys, member, shown):
    kim = member({"allow": ["jobs.*"]})
    wide, narrow = keys.create(kim, "wide"), keys.create(kim, "narrow", scopes=["jobs.read"])
    with tenant.contexts.use(shown(narrow).context("c", "en")):
        for attempt in (lambda: keys.create(kim, "wider"), lambda: keys.rotate(wide.id)):
            with pytest.raises(PermissionDeniedError):
                attempt()
        assert keys.create(kim, "as narrow", scopes=["jobs.read"])


# -- whose they are ----------------------------------------------------------------------------------------------------


def test_keys_of_who_is_disabled_are_over_and_come_back(tenant, keys, robot, shown, member):
    key, own = keys.create(robot, "nightly"), keys.create(member({"allow": ["jobs.read"]}), "mine")
    shown(key), shown(own)
    tenant.auth.services.disable("robot")
    tenant.auth.users.disable(tenant.auth.users.find("kim@example.org").id)
    over(tenant.auth, key)
    over(tenant.auth, own)
    assert tenant.auth.services.list() == []
    tenant.auth.services.disable("robot", disabled=False)
    assert shown(key).actor == robot


def test_keys_of_who_left_do_not_come_back_with_the_member(tenant, keys, member, shown):
    kim = member({"allow": ["jobs.read"]})
    key = keys.create(kim, "mine")
    assert shown(key).actor == kim
    tenant.auth.members.remove(kim)
    over(tenant.auth, key)
    tenant.auth.members.add(kim)
    over(tenant.auth, key)
    assert keys.list() == []


def test_services_have_names_of_their_own(tenant, robot):
    assert tenant.auth.services.list() == ["service:robot"]
    with pytest.raises(DuplicateError):
        tenant.auth.services.create("robot")
    with pytest.raises(ValidationError):
        tenant.auth.services.create("Robot 7")
    with pytest.raises(NotFoundError):
        tenant.auth.services.disable("nobody")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer  ", "Basic a2ltOng=", "Bearer abc", "bwk_alpha_x", "Bearer bwx_1"])
def test_an_authorization_that_is_none_of_ours_is_refused(tenant, header):
    with pytest.raises(UnauthenticatedError):
        tenant.auth.identify({"authorization": header})
