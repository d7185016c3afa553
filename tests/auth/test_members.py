"""Members, invitations and groups: who belongs to which tenant, and that tenants learn nothing of each other."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from brickwork.auth import Grant, Role
from brickwork.auth.events import UserInvited
from brickwork.errors import (
    BrickworkError,
    DuplicateError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
    ValidationError,
)

from .conftest import PASSWORD

OTHER = "seven quiet owls read maps"


@pytest.fixture
def members(tenant):
    return tenant.auth.members


@pytest.fixture
def invited(tenant, captured_events):
    """Invites an address, and gives the token that the event carries, sealed."""

    def invite(email="kim@example.org", **options):
        tenant.auth.members.invite(email, **options)
        event = captured_events.of(UserInvited)[-1]
        assert "bwi_" not in event.sealed
        return tenant.auth.unseal(event.sealed)

    return invite


def test_members_are_listed_page_by_page_with_their_roles(tenant, members, member):
    for name in ("ann", "bob", "cem"):
        member({"allow": ["jobs.read"]}, name=name)
    page = members.list(limit=2)
    assert [(one.user.name, one.roles) for one in page.items] == [("Ann", ("role-ann",)), ("Bob", ("role-bob",))]
    rest = members.list(limit=2, cursor=page.cursor)
    assert [one.user.name for one in rest.items] == ["Cem"]
    assert rest.cursor is None
    with pytest.raises(ValidationError):
        members.list(limit=0)


def test_a_member_who_is_added_again_keeps_the_roles(tenant, members, member):
    kim = member({"allow": ["jobs.read"]}, attributes={"ward": "icu"})
    members.add(kim, person="surgeon:1")
    known = members.get(kim)
    assert (known.roles, known.attributes, known.person) == (("role-kim",), {"ward": "icu"}, "surgeon:1")
    members.add(kim, attributes={"ward": "er"})
    assert members.get(kim).attributes == {"ward": "er"}


def test_one_person_is_a_member_of_several_tenants_with_other_roles_in_each(tenant, member):
    kim = member({"allow": ["jobs.*"]})
    with tenant.context(tenant="beta", actor="setup"):
        tenant.auth.members.add(kim)
        assert not tenant.auth.allows("jobs.read", subject=kim)
        assert tenant.auth.members.get(kim).roles == ()
    assert tenant.auth.allows("jobs.read", subject=kim)


def test_a_tenant_sees_nothing_of_another_tenants_people(tenant, members, member):
    kim = member({"allow": ["jobs.read"]})
    with tenant.context(tenant="beta", actor="setup"):
        assert members.list().items == []
        for touch in (members.get, members.remove):
            with pytest.raises(NotFoundError) as known:
                touch(kim)
            with pytest.raises(NotFoundError) as unknown:
                touch("user:019bf000-0000-7000-8000-000000000000")
            assert "kim@" not in known.value.message
            assert known.value.message.replace(kim, "") == unknown.value.message.replace(
                "user:019bf000-0000-7000-8000-000000000000", ""
            )
        with pytest.raises(UnauthenticatedError):
            tenant.auth.access(kim)
    assert members.get(kim).user.name == "Kim"


def test_who_is_removed_loses_roles_groups_shares_keys_and_sessions(tenant, members, member):
    kim = member({"allow": ["*"]}, password=PASSWORD)
    user = members.get(kim).user
    record = tenant.entities.create("patient", {"name": "Okafor"})
    tenant.auth.groups.create("theatre")
    tenant.auth.groups.add("theatre", kim)
    tenant.auth.shares.grant(record.id, kim)
    tenant.auth.keys.create(kim, "mine")
    signed = tenant.auth.sessions.sign_in(user.email, PASSWORD)
    with tenant.context(tenant="beta", actor="setup"):
        tenant.auth.members.add(kim)
    elsewhere = tenant.auth.sessions.sign_in(user.email, PASSWORD, tenant="beta")
    members.remove(kim)
    with pytest.raises(UnauthenticatedError):
        tenant.auth.sessions.find(signed.token)
    with pytest.raises(UnauthenticatedError):
        tenant.auth.access(kim)
    assert tenant.auth.sessions.find(elsewhere.token).tenant == "beta"
    members.add(kim)
    assert members.get(kim).roles == ()
    assert tenant.auth.groups.list() == {"theatre": []}
    assert tenant.auth.shares.list(record.id) == []
    assert tenant.auth.keys.list() == []
    with pytest.raises(NotFoundError):
        members.remove("user:no-id")


def test_who_is_removed_in_a_transaction_that_fails_stays_with_sessions_and_keys(tenant, members, member):
    kim = member({"allow": ["jobs.read"]}, password=PASSWORD)
    signed = tenant.auth.sessions.sign_in("kim@example.org", PASSWORD)
    key = tenant.auth.keys.create(kim, "mine")

    def fail():
        with tenant.transaction():
            members.remove(kim)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert tenant.auth.sessions.find(signed.token)
    assert tenant.auth.identify({"authorization": f"Bearer {key.token}"}).access.allows("jobs.read")


# -- invitations -------------------------------------------------------------------------------------------------------


def test_who_is_invited_joins_with_a_new_account_and_the_roles(tenant, members, member, invited):
    tenant.auth.roles.define(Role(name="nurse", grants=[Grant(allow=["jobs.read"])]))
    token = invited(roles=["nurse"])
    assert [(one.email, one.roles, one.token) for one in members.invitations()] == [("kim@example.org", ("nurse",), None)]
    user = members.accept(token, name="Kim", password=PASSWORD)
    assert user.verified  # the token came by mail
    assert members.get(user.id).roles == ("nurse",)
    assert tenant.auth.sessions.sign_in("kim@example.org", PASSWORD).tenant == "alpha"
    assert members.invitations() == []
    with pytest.raises(UnauthenticatedError):
        members.accept(token, name="Kim", password=PASSWORD)


def test_who_has_an_account_joins_with_its_password_or_a_session_of_it(tenant, members, invited):
    kim = tenant.auth.users.create("kim@example.org", "Kim", password=PASSWORD)
    lee = tenant.auth.users.create("lee@example.org", "Lee", password=OTHER)
    token = invited()
    for wrong in ({}, {"password": OTHER}, {"user": lee.id}, {"name": "Kim", "password": OTHER}):
        with pytest.raises(UnauthenticatedError):
            members.accept(token, **wrong)
    assert members.accept(token, password=PASSWORD).id == kim.id
    assert members.accept(invited("lee@example.org"), user=lee.id).id == lee.id
    assert tenant.auth.users.check_password("kim@example.org", PASSWORD) is not None  # it is not replaced


def test_a_weak_password_leaves_the_invitation_as_it_was(tenant, members, invited):
    token = invited()
    with pytest.raises(ValidationError):
        members.accept(token, name="Kim", password="password2024")
    assert tenant.auth.users.find("kim@example.org") is None
    assert members.accept(token, name="Kim", password=PASSWORD)


@pytest.mark.parametrize("known", [False, True])
def test_of_many_who_accept_at_once_one_joins(tenant, members, invited, known):
    token = invited()
    if known:
        tenant.auth.users.create("kim@example.org", "Kim", password=PASSWORD)

    def attempt(number):
        try:
            return members.accept(token, name="Kim", password=PASSWORD if known else f"{PASSWORD} {number}")
        except BrickworkError:
            return None

    with ThreadPoolExecutor(4) as pool:
        joined = [one for one in pool.map(attempt, range(4)) if one is not None]
    assert len(joined) == 1
    assert len(members.list().items) == 1


def test_an_invitation_ends_is_withdrawn_and_can_t_be_made_up(tenant, members, invited, frozen_clock):
    token = invited()
    for wrong in ("", "bwi_", token[:-1], token.replace("alpha", "beta"), "bwi_alpha_" + "a" * 49):
        with pytest.raises(UnauthenticatedError):
            members.accept(wrong, name="Kim", password=PASSWORD)
    [waiting] = members.invitations()
    members.withdraw(waiting.id)
    with pytest.raises(UnauthenticatedError):
        members.accept(token, name="Kim", password=PASSWORD)
    with pytest.raises(NotFoundError):
        members.withdraw(waiting.id)
    token = invited()
    frozen_clock.advance(days=7, seconds=1)
    with pytest.raises(UnauthenticatedError):
        members.accept(token, name="Kim", password=PASSWORD)
    assert members.invitations() == []
    assert tenant.auth.expire() == 1


def test_nobody_invites_somebody_to_more_than_they_have(tenant, members, member):
    clerk = member({"allow": ["auth.members.*", "auth.roles.assign"]}, name="clerk")
    with tenant.auth.acting_as(clerk):
        with pytest.raises(PermissionDeniedError):
            members.invite("kim@example.org", roles=["administrator"])
        with pytest.raises(ValidationError, match="role"):
            members.invite("kim@example.org", roles=["no-role"])
        assert members.invite("kim@example.org")
    with tenant.auth.acting_as(member({"allow": ["jobs.read"]}, name="lee")), pytest.raises(PermissionDeniedError):
        members.invite("kim@example.org")


def test_inviting_tells_nothing_of_who_has_an_account(tenant, members, frozen_clock):
    tenant.auth.users.create("kim@example.org", "Kim")
    known, unknown = members.invite("kim@example.org"), members.invite("lee@example.org")
    assert (known.roles, known.expires_at) == (unknown.roles, unknown.expires_at)


# -- groups ------------------------------------------------------------------------------------------------------------


def test_a_groups_roles_are_its_members(tenant, member):
    kim = member()
    robot = tenant.auth.services.create("robot")
    tenant.auth.roles.define(Role(name="nurse", grants=[Grant(allow=["jobs.read"])]))
    tenant.auth.groups.create("theatre", "Operating theatre")
    tenant.auth.roles.assign("nurse", "group:theatre")
    for subject in (kim, robot):
        tenant.auth.groups.add("theatre", subject)
        tenant.auth.groups.add("theatre", subject)
        assert tenant.auth.allows("jobs.read", subject=subject)
    assert tenant.auth.groups.list() == {"theatre": sorted([kim, robot])}
    tenant.auth.groups.discard("theatre", kim)
    assert not tenant.auth.allows("jobs.read", subject=kim)
    tenant.auth.groups.remove("theatre")
    assert not tenant.auth.allows("jobs.read", subject=robot)
    assert tenant.auth.roles.assignments(subject="group:theatre") == []
    with pytest.raises(NotFoundError):
        tenant.auth.groups.remove("theatre")


def test_groups_take_subjects_of_the_tenant_only(tenant, member):
    kim = member()
    with tenant.context(tenant="beta", actor="setup"):
        tenant.auth.groups.create("theatre")
        for subject in (kim, "service:robot", "group:theatre", "kim", "user:no-id"):
            with pytest.raises(ValidationError):
                tenant.auth.groups.add("theatre", subject)
        with pytest.raises(DuplicateError):
            tenant.auth.groups.create("theatre")
    with pytest.raises(NotFoundError):
        tenant.auth.groups.add("theatre", kim)


def test_nobody_puts_themselves_into_a_group_that_may_more(tenant, member):
    kim = member({"allow": ["auth.groups.write"]})
    tenant.auth.groups.create("bosses")
    tenant.auth.roles.assign("administrator", "group:bosses")
    with tenant.auth.acting_as(kim), pytest.raises(PermissionDeniedError):
        tenant.auth.groups.add("bosses", kim)


def test_the_first_changes_of_a_tenant_may_come_at_once(tenant):
    def create(number):
        with tenant.context(tenant="gamma", actor="setup"):
            return tenant.auth.services.create(f"robot-{number}")

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(create, range(4)))) == 4
