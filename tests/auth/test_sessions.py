"""Sessions: begun, listed, replaced, ended, and over at once in every process."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from brickwork.auth import SignInAgainError
from brickwork.auth.events import UserImpersonated, UserSignedIn
from brickwork.auth.models import SessionRow
from brickwork.errors import NotFoundError, PermissionDeniedError, UnauthenticatedError, ValidationError

from .conftest import PASSWORD

OTHER = "seven quiet owls read maps"


@pytest.fixture
def sessions(platform):
    return platform.auth.sessions


@pytest.fixture
def kim(platform):
    """A member of "alpha" and "beta"."""
    user = platform.auth.users.create("kim@example.org", "Kim", password=PASSWORD)
    for tenant in ("alpha", "beta"):
        with platform.context(tenant=tenant, actor="setup"):
            platform.auth.members.add(user)
    return user


@pytest.fixture
def sign_in(sessions, kim):
    return lambda **options: sessions.sign_in(kim.email, PASSWORD, **options)


@pytest.fixture
def elsewhere(platform, make_platform):
    """The same product in another process: other memory, the same database."""
    section = platform.settings.database
    clock = platform.clock
    return make_platform(clock=clock, database={"url": section.url, "owner_url": section.owner_url})


def over(auth, token):
    with pytest.raises(UnauthenticatedError):
        auth.sessions.find(token)


def test_the_right_password_begins_a_session(sessions, kim, sign_in, captured_events):
    signed = sign_in(tenant="alpha", address="10.0.0.1", agent="Firefox")
    assert (signed.user.id, signed.tenant, signed.tenants) == (kim.id, "alpha", ("alpha", "beta"))
    assert sessions.find(signed.token).tenant == "alpha"
    assert [(told.user, told.address) for told in captured_events.of(UserSignedIn)] == [(str(kim.id), "10.0.0.1")]


def test_only_a_digest_of_the_token_is_kept(platform, sign_in):
    signed = sign_in()
    with platform.auth.system() as transaction:
        [row] = transaction.session.scalars(select(SessionRow))
        assert signed.token not in repr(vars(row))
        assert len(row.digest) == 64


def test_whoever_is_a_member_of_several_tenants_chooses_one(platform, sessions, kim, sign_in):
    assert sign_in().tenant is None
    with pytest.raises(PermissionDeniedError):
        sign_in(tenant="gamma")
    lee = platform.auth.users.create("lee@example.org", "Lee", password=PASSWORD)
    with platform.context(tenant="gamma", actor="setup"):
        platform.auth.members.add(lee)
    assert sessions.sign_in(lee.email, PASSWORD).tenant == "gamma"


def test_choosing_a_tenant_replaces_the_token_and_nothing_else(sessions, kim, sign_in, frozen_clock, platform):
    signed = sign_in(address="10.0.0.1", agent="Firefox")
    frozen_clock.advance(hours=1)
    chosen = sessions.choose(signed.token, "beta")
    over(platform.auth, signed.token)
    assert chosen.tenant == "beta"
    assert chosen.expires_at == signed.expires_at  # or a session would go on for ever
    [listed] = sessions.list(kim.id)
    assert (listed.address, listed.agent, listed.tenant) == ("10.0.0.1", "Firefox", "beta")
    assert listed.created_at == frozen_clock.now() - timedelta(hours=1)
    with pytest.raises(PermissionDeniedError):
        sessions.choose(chosen.token, "gamma")
    assert sessions.find(chosen.token).tenant == "beta"


def test_of_two_who_choose_with_a_token_at_once_one_gets_a_session(sessions, kim, sign_in):
    signed = sign_in()

    def attempt(tenant):
        try:
            return sessions.choose(signed.token, tenant)
        except UnauthenticatedError:
            return None

    with ThreadPoolExecutor(4) as pool:
        assert len([one for one in pool.map(attempt, ["alpha", "beta"] * 2) if one is not None]) == 1
    assert len(sessions.list(kim.id)) == 1


def test_sessions_are_listed_and_revoked_by_their_owner_only(platform, sessions, kim, sign_in):
    lee = platform.auth.users.create("lee@example.org", "Lee", password=PASSWORD)
    first, second = sign_in(agent="Firefox"), sign_in(agent="Safari")
    assert [one.agent for one in sessions.list(kim.id)] == ["Safari", "Firefox"]
    assert sessions.list(lee.id) == []
    id = sessions.find(first.token).id
    with pytest.raises(NotFoundError):
        sessions.revoke(lee.id, id)
    sessions.revoke(kim.id, id)
    over(platform.auth, first.token)
    assert sessions.find(second.token)
    sessions.revoke_all(kim.id)
    over(platform.auth, second.token)


def test_a_session_that_ends_is_dropped_from_the_cache_of_every_process(platform, elsewhere, sessions, kim, sign_in):
    def everywhere():
        token = sign_in(tenant="alpha").token
        for one in (platform, elsewhere):
            assert one.auth.sessions.find(token).user_id == kim.id
            assert one.auth.sessions.find(token).user_id == kim.id
        return token

    for ending in (
        sessions.end,
        elsewhere.auth.sessions.end,
        lambda token: sessions.revoke(kim.id, sessions.find(token).id),
        lambda token: sessions.revoke_all(kim.id),
        lambda token: sessions.choose(token, "beta"),
        lambda token: elsewhere.auth.users.set_password(kim.id, PASSWORD),
    ):
        token = everywhere()
        ending(token)
        over(platform.auth, token)
        over(elsewhere.auth, token)
    token = everywhere()
    platform.auth.users.disable(kim.id)
    over(elsewhere.auth, token)


def test_a_session_ends_after_its_time_and_after_a_day_without_use(platform, sessions, kim, sign_in, frozen_clock):
    idle, used = sign_in(), sign_in()
    for _ in range(16 * 24 // 23):
        frozen_clock.advance(hours=23)
        if frozen_clock.now() < used.expires_at:
            assert sessions.find(used.token)
    over(platform.auth, used.token)
    over(platform.auth, idle.token)
    assert sessions.list(kim.id) == []
    assert sessions.expire() == 2


def test_a_mistyped_or_invented_token_finds_nothing(sessions, platform, sign_in):
    token = sign_in().token
    for wrong in (token[:-1] + ("a" if token[-1] != "a" else "b"), token.upper(), "", "bws_", "bws_" + "ü" * 49, token + "x"):
        over(platform.auth, wrong)


def test_changing_the_password_ends_every_session(platform, sessions, kim, sign_in):
    tokens = [sign_in().token, sign_in().token]
    platform.auth.users.change_password(kim.id, PASSWORD, OTHER)
    for token in tokens:
        over(platform.auth, token)


def test_a_password_that_is_changed_while_somebody_signs_in_with_it_lets_nobody_in(platform, sessions, kim, monkeypatch):
    forgive = platform.auth.throttle.forgive

    def meanwhile(what):
        platform.auth.users.set_password(kim.id, OTHER)
        forgive(what)

    monkeypatch.setattr(platform.auth.throttle, "forgive", meanwhile)
    with pytest.raises(UnauthenticatedError):
        sessions.sign_in(kim.email, PASSWORD)
    assert sessions.list(kim.id) == []


@pytest.mark.parametrize("change", ["password", "disabled"])
def test_a_session_that_begins_while_all_are_ended_ends_too(platform, sessions, kim, change):
    from threading import Thread
    from time import sleep

    def end():
        if change == "password":
            platform.auth.users.set_password(kim.id, OTHER)
        else:
            platform.auth.users.disable(kim.id)

    ending = Thread(target=end)
    with platform.auth.system() as transaction:
        sessions._admitted(transaction, kim.id)
        ending.start()
        sleep(0.3)  # the other waits for this transaction by now, or comes later, which must make no difference
        token = sessions.begin(kim).token
    ending.join()
    over(platform.auth, token)


def test_who_is_disabled_gets_no_session_by_whatever_means(platform, sessions, kim, sign_in):
    token = sign_in().token
    platform.auth.users.disable(kim.id)
    with pytest.raises(UnauthenticatedError):
        sign_in()
    with pytest.raises(UnauthenticatedError):
        sessions.begin(kim)
    over(platform.auth, token)
    platform.auth.users.enable(kim.id)
    over(platform.auth, token)
    assert sign_in()


def test_signing_in_at_once_from_many_places_begins_a_session_each(sessions, kim, sign_in):
    with ThreadPoolExecutor(4) as pool:
        tokens = {signed.token for signed in pool.map(lambda _: sign_in(), range(8))}
    assert len(tokens) == len(sessions.list(kim.id)) == 8


def test_what_changes_the_means_of_signing_in_takes_a_recent_session(sessions, sign_in, frozen_clock):
    signed = sign_in()
    sessions.check_recent(sessions.find(signed.token))
    frozen_clock.advance(minutes=15)
    with pytest.raises(SignInAgainError):
        sessions.check_recent(sessions.find(signed.token))
    chosen = sessions.choose(signed.token, "alpha")
    with pytest.raises(SignInAgainError):  # another tenant is no new sign-in
        sessions.check_recent(sessions.find(chosen.token))


# -- impersonation -----------------------------------------------------------------------------------------------------


@pytest.fixture
def support(tenant, member):
    """A member of "alpha" who may act as others, beside one who may read jobs."""
    member({"allow": ["jobs.read"]}, name="lee", password=PASSWORD)
    return member({"allow": ["auth.members.impersonate", "jobs.*"]}, name="support")


@pytest.fixture
def lee(support, tenant):
    return tenant.auth.users.find("lee@example.org")


@pytest.fixture
def acted(tenant, support, lee):
    """A session of lee's in which support acts."""
    with tenant.auth.acting_as(support):
        return tenant.auth.sessions.impersonate(lee.id, reason="ticket 7")


def identity(platform, signed):
    return platform.auth.identify({"authorization": f"Bearer {signed.token}"})


def test_who_acts_as_another_is_named_with_both_names(tenant, support, lee, acted, frozen_clock):
    shown = identity(tenant, acted)
    assert shown.actor == f"{lee.actor} via {support}"
    assert shown.access.allows("jobs.read")
    assert not shown.access.allows("jobs.write")
    assert acted.expires_at == frozen_clock.now() + timedelta(hours=1)
    assert [one.impersonator for one in tenant.auth.sessions.list(lee.id)] == [support]


def test_an_impersonation_is_audited_and_told(tenant, support, lee, captured_events):
    with tenant.auth.acting_as(support):
        tenant.auth.sessions.impersonate(lee.id, reason="ticket 7")
    [entry] = tenant.audit.entries(action="impersonated").items
    assert (entry.actor, entry.record_id, entry.after) == (support, str(lee.id), {"reason": "ticket 7"})
    [told] = captured_events.of(UserImpersonated)
    assert (told.user, told.by, told.reason) == (str(lee.id), support, "ticket 7")
    assert captured_events.of(UserSignedIn) == []


def test_an_impersonation_needs_a_reason_the_right_to_it_and_a_member_who_may_no_more(tenant, member, support, lee):
    boss = tenant.auth.users.get(member({"allow": ["*"]}, name="boss"))
    stranger = tenant.auth.users.create("stranger@example.org", "Stranger")
    with tenant.auth.acting_as(support):
        with pytest.raises(ValidationError, match="reason"):
            tenant.auth.sessions.impersonate(lee.id, reason=" ")
        with pytest.raises(PermissionDeniedError):
            tenant.auth.sessions.impersonate(boss.id, reason="ticket 7")
        with pytest.raises(NotFoundError) as caught:
            tenant.auth.sessions.impersonate(stranger.id, reason="ticket 7")
        assert "stranger@" not in caught.value.message
    with tenant.auth.acting_as(lee.actor), pytest.raises(PermissionDeniedError):
        tenant.auth.sessions.impersonate(lee.id, reason="ticket 7")


def test_an_impersonation_ends_with_the_right_to_it(tenant, support, lee, acted):
    tenant.auth.roles.withdraw("role-support", support)
    with pytest.raises(UnauthenticatedError):
        identity(tenant, acted)


@pytest.mark.parametrize("ending", ["disabled", "removed", "signed out everywhere"])
def test_an_impersonation_ends_with_the_impersonator(tenant, support, acted, ending):
    user = tenant.auth.users.get(support)
    {
        "disabled": tenant.auth.users.disable,
        "removed": tenant.auth.members.remove,
        "signed out everywhere": tenant.auth.sessions.revoke_all,
    }[ending](user.id)
    over(tenant.auth, acted.token)


def test_who_acts_as_another_stays_there_and_leaves_nothing_behind(tenant, lee, acted):
    shown = identity(tenant, acted)
    with pytest.raises(PermissionDeniedError):
        tenant.auth.sessions.choose(acted.token, "beta")
    with tenant.contexts.use(shown.context("c", "en")):
        with pytest.raises(PermissionDeniedError):
            tenant.auth.keys.create(lee.actor, "back door")
        with pytest.raises(PermissionDeniedError):
            tenant.auth.sessions.impersonate(lee.id, reason="further")
