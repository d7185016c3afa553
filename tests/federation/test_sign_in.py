"""Whose account a sign-in leads to, on each database."""

import threading

import pytest

from brickwork.auth import Grant, LastWayError, Role
from brickwork.errors import (
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    SettingsError,
    UnauthenticatedError,
    ValidationError,
)
from brickwork.federation import AccountExistsError, AccountNeededError, FederationRefusedError
from brickwork.testing.passkeys import Device

PASSWORD = "tall giraffes eat 7 leaves"
BY_DOMAIN = {"create": "verified-email-domain", "domains": ["example.org"], "tenants": ["alpha"]}


@pytest.fixture
def known(attempt):
    """An attempt on a platform where Kim, with password and verified address, is a member of "alpha" and "beta"."""

    def make(provider=None, **options):
        one = attempt(provider, **options)
        auth = one.platform.auth
        one.kim = auth.users.create("kim@example.org", "Kim", password=PASSWORD, verified=True)
        for tenant in ("alpha", "beta"):
            with one.platform.context(tenant=tenant, actor="setup"):
                auth.members.add(one.kim)
        return one

    return make


def audited(platform):
    with platform.system_context(reason="test"):
        return [(entry.action, entry.reason) for entry in platform.audit.entries(entity="federation_identity").items]


# -- linking ---------------------------------------------------------------------------------------------------------------


def test_a_linked_identity_signs_its_person_in(known):
    one = known()
    linked = one.sign_in(begin={"user": one.kim.id, "next": "/account"}, user=one.kim.id)
    assert (linked.next, linked.signed_in) == ("/account", None)
    done = one.sign_in(begin={"next": "/patients"}, email="renamed@example.com")
    assert done.next == "/patients"
    assert done.signed_in.user == one.kim
    assert set(done.signed_in.tenants) == {"alpha", "beta"}
    assert one.platform.auth.sessions.find(done.signed_in.token).user_id == one.kim.id


def test_linking_and_unlinking_are_events_and_stand_in_the_audit_trail(known, captured_events_of):
    one = known()
    heard = captured_events_of(one.platform)
    one.sign_in(begin={"user": one.kim.id}, user=one.kim.id)
    (identity,) = one.platform.federation.identities(one.kim.id)
    assert (identity.provider, identity.issuer, identity.subject) == ("odd", one.odd.issuer, "u-1")
    one.platform.federation.unlink(one.kim.id, identity.id)
    assert one.platform.federation.identities(one.kim.id) == []
    names = [type(event).__name__ for event in heard.events if type(event).__module__ == "brickwork.federation.events"]
    assert names == ["IdentityLinked", "IdentityUnlinked"]
    assert [action for action, _ in audited(one.platform)] == ["delete", "insert"]


def test_linking_is_completed_by_who_began_it(known):
    one = known()
    other = one.platform.auth.users.create("ito@example.org", "Ito", password=PASSWORD)
    for user in (None, other.id):
        with pytest.raises(FederationRefusedError, match="signed in no more"):
            one.sign_in(begin={"user": one.kim.id}, user=user)
    assert one.platform.federation.identities(one.kim.id) == []


def test_an_identity_belongs_to_one_account(known):
    one = known()
    other = one.platform.auth.users.create("ito@example.org", "Ito", password=PASSWORD)
    one.sign_in(begin={"user": one.kim.id}, user=one.kim.id)
    one.sign_in(begin={"user": one.kim.id}, user=one.kim.id)
    with pytest.raises(ConflictError, match="another account"):
        one.sign_in(begin={"user": other.id}, user=other.id)
    with pytest.raises(ConflictError, match="another account"):
        one.platform.federation.link(other.id, "odd", "u-1")
    assert len(one.platform.federation.identities(one.kim.id)) == 1


def test_the_last_way_to_sign_in_stays(attempt):
    one = attempt(BY_DOMAIN)
    user = one.sign_in().signed_in.user
    (identity,) = one.platform.federation.identities(user.id)
    with pytest.raises(LastWayError):
        one.platform.federation.unlink(user.id, identity.id)
    one.platform.federation.link(user.id, "odd", "u-2")
    one.platform.federation.unlink(user.id, identity.id)
    (other,) = one.platform.federation.identities(user.id)
    with pytest.raises(LastWayError):
        one.platform.federation.unlink(user.id, other.id)
    one.platform.auth.users.set_password(user.id, PASSWORD)
    one.platform.federation.unlink(user.id, other.id)


def test_a_passkey_and_a_password_count_with_identities_whichever_is_removed(attempt):
    one = attempt(BY_DOMAIN)
    user = one.sign_in().signed_in.user
    (identity,) = one.platform.federation.identities(user.id)
    passkeys, users = one.platform.auth.passkeys, one.platform.auth.users
    passkey = passkeys.finish_registration(user.id, Device().create(passkeys.begin_registration(user.id)), name="phone")
    passkeys.remove(user.id, passkey.id)
    users.set_password(user.id, PASSWORD)
    users.remove_password(user.id)
    with pytest.raises(LastWayError):
        one.platform.federation.unlink(user.id, identity.id)
    passkeys.finish_registration(user.id, Device().create(passkeys.begin_registration(user.id)), name="phone")
    one.platform.federation.unlink(user.id, identity.id)
    with pytest.raises(LastWayError):
        passkeys.remove(user.id, passkeys.list(user.id)[0].id)


def test_of_two_that_take_the_last_two_ways_away_one_fails(attempt):
    one = attempt(BY_DOMAIN)
    user = one.sign_in().signed_in.user
    one.platform.federation.link(user.id, "odd", "u-2")
    errors = []

    def unlink(identity):
        try:
            one.platform.federation.unlink(user.id, identity)
        except LastWayError as error:
            errors.append(error)

    threads = [threading.Thread(target=unlink, args=(each.id,)) for each in one.platform.federation.identities(user.id)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) == 1
    assert len(one.platform.federation.identities(user.id)) == 1


def test_an_identity_of_somebody_else_is_not_unlinked(known):
    one = known()
    other = one.platform.auth.users.create("ito@example.org", "Ito", password=PASSWORD)
    one.sign_in(begin={"user": one.kim.id}, user=one.kim.id)
    (identity,) = one.platform.federation.identities(one.kim.id)
    with pytest.raises(NotFoundError):
        one.platform.federation.unlink(other.id, identity.id)


def test_sessions_of_an_identity_end_when_it_is_unlinked(known):
    one = known()
    one.sign_in(begin={"user": one.kim.id}, user=one.kim.id)
    own = one.platform.auth.sessions.sign_in("kim@example.org", PASSWORD)
    token = one.sign_in().signed_in.token
    (identity,) = one.platform.federation.identities(one.kim.id)
    one.platform.federation.unlink(one.kim.id, identity.id)
    with pytest.raises(UnauthenticatedError):
        one.platform.auth.sessions.find(token)
    assert one.platform.auth.sessions.find(own.token)


# -- addresses -------------------------------------------------------------------------------------------------------------


def test_an_address_links_nothing_by_itself(known):
    one = known()
    with pytest.raises(AccountExistsError):
        one.sign_in()
    assert one.platform.federation.identities(one.kim.id) == []


def test_a_trusted_providers_verified_address_links(known):
    one = known({"trust_email": True})
    assert one.sign_in(email="Kim@Example.ORG").signed_in.user == one.kim
    assert one.sign_in(email=None).signed_in.user == one.kim


@pytest.mark.parametrize("verified", [False, None, "false", 0, [], "yes"])
def test_an_address_that_the_provider_has_not_verified_links_nothing_and_tells_nothing(known, verified):
    one = known({"trust_email": True})
    with pytest.raises(AccountNeededError):
        one.sign_in(email_verified=verified)


def test_an_account_that_somebody_made_beforehand_is_not_opened_to_the_addresss_owner(attempt):
    """Pre-hijacking: the attacker has the account's password, and waits for the victim to come in by the provider."""
    one = attempt({"trust_email": True, **BY_DOMAIN})
    planted = one.platform.auth.users.create("kim@example.org", "Not Kim", password=PASSWORD, verified=False)
    with pytest.raises(AccountExistsError):
        one.sign_in()
    assert one.platform.federation.identities(planted.id) == []


def test_an_account_with_a_second_factor_is_not_linked_without_it(known):
    from brickwork.auth import totp

    one = known({"trust_email": True})
    users = one.platform.auth.users
    secret = users.enrol_totp(one.kim.id).secret
    users.confirm_totp(one.kim.id, totp.code(secret, int(one.platform.clock.now().timestamp()) // totp.STEP))
    with pytest.raises(AccountExistsError):
        one.sign_in()


def test_a_disabled_account_stays_shut(known):
    one = known({"trust_email": True})
    one.platform.auth.users.disable(one.kim.id)
    with pytest.raises(UnauthenticatedError, match="disabled"):
        one.sign_in()
    one.platform.federation.link(one.kim.id, "odd", "u-1")
    with pytest.raises(UnauthenticatedError, match="disabled"):
        one.sign_in()


# -- who gets an account ---------------------------------------------------------------------------------------------------


def test_by_default_nobody_gets_an_account(attempt):
    one = attempt()
    with pytest.raises(AccountNeededError):
        one.sign_in()
    assert one.platform.auth.users.find("kim@example.org") is None


def test_who_has_a_verified_address_of_the_domain_becomes_a_member_with_the_roles_named(attempt):
    one = attempt({**BY_DOMAIN, "roles": ["nurse"]})
    with one.platform.context(tenant="alpha", actor="setup"):
        one.platform.auth.roles.define(Role(name="nurse", grants=[Grant(allow=["jobs.read"])]))
    signed = one.sign_in(name="Kim Lee").signed_in
    assert (signed.tenant, signed.user.name, signed.user.verified) == ("alpha", "Kim Lee", True)
    with one.platform.context(tenant="alpha", actor="setup"):
        assert one.platform.auth.allows("jobs.read", subject=signed.user.actor)
        one.platform.auth.members.remove(signed.user.id)
    with pytest.raises(PermissionDeniedError):
        one.sign_in()  # who was removed does not come back by signing in


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "kim@elsewhere.example"},
        {"email": "kim@example.org.evil.example"},
        {"email": "kim@sub.example.org"},
        {"email": "kim@evil.example,kim@example.org"},
        {"email": "example.org"},
        {"email": None},
        {"email_verified": False},
    ],
)
def test_others_do_not(attempt, claims):
    one = attempt(BY_DOMAIN)
    with pytest.raises(AccountNeededError):
        one.sign_in(**claims)


def test_a_role_that_is_not_there_leaves_nothing_behind(attempt):
    one = attempt({**BY_DOMAIN, "roles": ["unheard-of"]})
    with pytest.raises((ValidationError, NotFoundError)):
        one.sign_in()
    assert one.platform.auth.users.find("kim@example.org") is None


def test_who_comes_in_twice_at_the_same_moment_has_one_account(attempt):
    one = attempt(BY_DOMAIN)
    begun = []
    for _ in range(4):
        one.begin()
        begun.append((one.begun, one.odd.sign(one.claims())))
    one.odd.answer(begun[0][1])
    results, gate = [], threading.Barrier(4)
    exchange = one.platform.federation._exchanges["odd"]
    told = [{"iss": one.odd.issuer, "sub": "u-1", "email": "kim@example.org", "email_verified": True, "name": "Kim"}] * 4
    exchange.redeem = lambda *arguments: (gate.wait(), told.pop())[1]  # all tokens were good; what follows is at once

    def complete(state, browser):
        results.append(one.platform.federation.complete("odd", {"state": state}, browser).signed_in.user.id)

    threads = [threading.Thread(target=complete, args=(each.state, each.browser)) for each, _ in begun]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert len(set(results)) == 1
    assert len(one.platform.federation.identities(results[0])) == 1


def invitation(one, email="kim@example.org", tenant="alpha"):
    with one.platform.context(tenant=tenant, actor="setup"):
        return one.platform.auth.members.invite(email).token


def test_who_holds_an_invitation_comes_in_with_any_identity_under_the_invited_address(attempt):
    one = attempt({"create": "invited"})
    signed = one.sign_in(begin={"invitation": invitation(one)}, email="private@elsewhere.example", email_verified=False).signed_in
    assert (signed.tenant, signed.user.email, signed.user.verified) == ("alpha", "kim@example.org", True)
    assert one.sign_in().signed_in.user == signed.user


def test_an_invitation_is_good_once_and_not_when_invented(attempt):
    one = attempt({"create": "invited"})
    token = invitation(one)
    one.sign_in(begin={"invitation": token})
    for bad in (token, token[:-1] + "x", "bwi_alpha_invented", ""):
        with pytest.raises(UnauthenticatedError):
            one.sign_in(begin={"invitation": bad}, sub="u-2")


def test_without_an_invitation_nobody_gets_an_account_where_one_is_needed(attempt):
    one = attempt({"create": "invited"})
    invitation(one)
    with pytest.raises(AccountNeededError):
        one.sign_in()


def test_an_invitation_makes_no_account_where_the_provider_makes_none(attempt):
    one = attempt({"create": "never"})
    with pytest.raises(AccountNeededError):
        one.sign_in(begin={"invitation": invitation(one)})


def test_an_invitation_for_an_address_with_an_account_asks_for_that_account(known):
    one = known({"create": "invited"})
    token = invitation(one, tenant="gamma")
    with pytest.raises(AccountExistsError):
        one.sign_in(begin={"invitation": token})
    one.sign_in(begin={"user": one.kim.id}, user=one.kim.id)
    assert "gamma" in one.sign_in(begin={"invitation": token}).signed_in.tenants


def test_an_invitation_for_another_address_is_not_used_up(known):
    one = known({"create": "invited"})
    one.sign_in(begin={"user": one.kim.id}, user=one.kim.id)
    token = invitation(one, email="ito@example.org")
    with pytest.raises(AccountExistsError):
        one.sign_in(begin={"invitation": token})
    one.sign_in(begin={"invitation": token}, sub="ito")


# -- tenants ---------------------------------------------------------------------------------------------------------------


def test_a_provider_of_some_tenants_opens_those_only(known):
    one = known({"tenants": ["alpha", "beta"], "trust_email": True})
    with pytest.raises(ValidationError, match="say which"):
        one.begin()
    with pytest.raises(NotFoundError):
        one.begin(tenant="gamma")
    assert one.sign_in(begin={"tenant": "beta"}).signed_in.tenant == "beta"
    assert [p.name for p in one.platform.federation.providers("beta")] == ["odd"]
    assert one.platform.federation.providers("gamma") == []


def test_a_session_by_a_tenants_own_provider_stays_in_that_tenant(known):
    """Whoever runs alpha's provider can say to be anybody in alpha; not so in beta."""
    one = known({"tenants": ["alpha"], "trust_email": True})
    signed = one.sign_in().signed_in
    assert signed.tenant == "alpha"
    with pytest.raises(PermissionDeniedError, match="stays in its tenant"):
        one.platform.auth.sessions.choose(signed.token, "beta")


def test_an_invitation_of_a_tenant_that_the_provider_is_not_for_is_refused(attempt):
    one = attempt({"create": "invited", "tenants": ["alpha"]})
    with pytest.raises(NotFoundError):
        one.sign_in(begin={"invitation": invitation(one, tenant="beta")})


def test_who_is_no_member_of_the_tenant_gets_no_session_in_it(known):
    one = known({"trust_email": True})
    with pytest.raises(PermissionDeniedError):
        one.sign_in(begin={"tenant": "gamma"})


def test_choosing_a_tenant_keeps_the_session_under_a_new_token(known):
    one = known({"trust_email": True})
    auth = one.platform.auth
    signed = one.sign_in().signed_in
    chosen = auth.sessions.choose(signed.token, "beta")
    assert (chosen.id, chosen.tenant, chosen.expires_at) == (signed.id, "beta", signed.expires_at)
    assert auth.sessions.find(chosen.token).tenant == "beta"
    with pytest.raises(UnauthenticatedError):
        auth.sessions.find(signed.token)
    with pytest.raises(PermissionDeniedError):
        auth.sessions.choose(chosen.token, "gamma")


def test_domains_without_tenants_are_refused_at_the_start(attempt):
    with pytest.raises(SettingsError, match="tenants"):
        attempt({**BY_DOMAIN, "tenants": None})


# -- user info -------------------------------------------------------------------------------------------------------------


def test_an_address_that_is_told_by_the_user_info_only_counts(known):
    one = known({"trust_email": True})
    one.odd.metadata(userinfo_endpoint=one.odd.issuer + "/me")
    one.odd.documents["/me"] = {"sub": "u-1", "email": "kim@example.org", "email_verified": True, "iss": "https://evil.example"}
    assert one.sign_in(email=None, email_verified=None).signed_in.user == one.kim
    (identity,) = one.platform.federation.identities(one.kim.id)
    assert identity.issuer == one.odd.issuer
