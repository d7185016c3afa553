"""Passkeys. The device is software here (`brickwork.testing.passkeys`), so that it can lie; tests/e2e has a real browser's."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brickwork.auth import LastWayError
from brickwork.auth.events import CredentialChanged, PasskeySuspected
from brickwork.errors import (
    DuplicateError,
    NotFoundError,
    PermissionDeniedError,
    RestrictedError,
    SettingsError,
    UnauthenticatedError,
    ValidationError,
)
from brickwork.testing.passkeys import Device, raw, text

PASSWORD = "tall giraffes eat 7 leaves"


@pytest.fixture
def passkeys(platform):
    return platform.auth.passkeys


@pytest.fixture
def kim(platform):
    user = platform.auth.users.create("kim@example.org", "Kim", password=PASSWORD)
    with platform.context(tenant="alpha", actor="setup"):
        platform.auth.members.add(user)
    return user


def add(passkeys, user, device, name="phone"):
    return passkeys.finish_registration(user.id, device.create(passkeys.begin_registration(user.id)), name=name)


def enter(passkeys, device, **options):
    return passkeys.finish_sign_in(device.get(passkeys.begin_sign_in()), **options)


@pytest.fixture
def device(passkeys, kim):
    device = Device()
    add(passkeys, kim, device)
    return device


def test_who_shows_a_passkey_is_let_in_without_naming_the_account(platform, passkeys, kim, device, frozen_clock):
    asked = passkeys.begin_sign_in()
    assert "allowCredentials" not in asked or asked["allowCredentials"] == []
    signed = passkeys.finish_sign_in(device.get(asked), address="10.0.0.1", agent="Firefox")
    assert (signed.user.id, signed.tenant) == (kim.id, "alpha")
    assert platform.auth.sessions.find(signed.token).user_id == kim.id
    [listed] = passkeys.list(kim.id)
    assert (listed.name, listed.used_at, listed.transports) == ("phone", frozen_clock.now(), ("internal",))


def test_what_the_device_is_asked_binds_it_to_the_domain_and_needs_its_user_verified(passkeys, kim, device):
    asked = passkeys.begin_registration(kim.id)
    assert asked["rp"] == {"id": "localhost", "name": "brickwork"}
    assert asked["user"]["id"] == text(kim.id.bytes)  # no address, which others could read off the device
    assert asked["attestation"] == "none"
    assert asked["authenticatorSelection"]["residentKey"] == "required"
    assert asked["authenticatorSelection"]["userVerification"] == "required"
    assert [known["id"] for known in asked["excludeCredentials"]] == list(device.keys)
    assert passkeys.begin_sign_in()["userVerification"] == "required"


def test_a_passkey_counts_as_both_factors(platform, passkeys, kim, device, frozen_clock):
    made = platform.auth.users.enrol_totp(kim.id)
    from brickwork.auth import totp

    platform.auth.users.confirm_totp(kim.id, totp.code(made.secret, int(frozen_clock.now().timestamp()) // totp.STEP))
    assert enter(passkeys, device).user.second_factor


def test_several_passkeys_are_named_listed_and_removed(platform, passkeys, kim, device):
    key = Device(counts=False)
    second = add(passkeys, kim, key, name="  key in the drawer ")
    assert [one.name for one in passkeys.list(kim.id)] == ["phone", "key in the drawer"]
    passkeys.rename(kim.id, second.id, "spare")
    assert enter(passkeys, device).user == enter(passkeys, key).user
    kept, other = enter(passkeys, device), enter(passkeys, key)
    session = platform.auth.sessions.find(kept.token).id
    passkeys.remove(kim.id, second.id, session=session)
    assert [one.name for one in passkeys.list(kim.id)] == ["phone"]
    with pytest.raises(UnauthenticatedError):
        enter(passkeys, key)
    with pytest.raises(UnauthenticatedError):
        platform.auth.sessions.find(other.token)  # it may have been begun with the one that is gone
    assert platform.auth.sessions.find(kept.token).id == session
    with pytest.raises(ValidationError, match="name"):
        passkeys.rename(kim.id, passkeys.list(kim.id)[0].id, " ")


def test_the_last_way_to_sign_in_stays_be_it_a_passkey_or_the_password(platform, passkeys, kim, device):
    [own] = passkeys.list(kim.id)
    users, sessions = platform.auth.users, platform.auth.sessions
    kept, other = enter(passkeys, device), enter(passkeys, device)
    users.remove_password(kim.id, session=sessions.find(kept.token).id)
    assert sessions.find(kept.token)
    with pytest.raises(UnauthenticatedError):
        sessions.find(other.token)
    with pytest.raises(UnauthenticatedError):
        sessions.sign_in("kim@example.org", PASSWORD)
    with pytest.raises(LastWayError, match="only way"):
        passkeys.remove(kim.id, own.id)
    with pytest.raises(NotFoundError, match="no password"):
        users.remove_password(kim.id)
    users.set_password(kim.id, PASSWORD)
    passkeys.remove(kim.id, own.id)
    with pytest.raises(LastWayError):
        users.remove_password(kim.id)


def test_of_two_who_remove_the_last_two_ways_one_fails(platform, passkeys, kim, device):
    [own] = passkeys.list(kim.id)

    def outcome(remove):
        try:
            remove()
        except LastWayError:
            return "refused"
        return "removed"

    with ThreadPoolExecutor(2) as pool:
        ways = [lambda: passkeys.remove(kim.id, own.id), lambda: platform.auth.users.remove_password(kim.id)]
        assert sorted(pool.map(outcome, ways)) == ["refused", "removed"]


def test_nobody_sees_or_touches_anothers_passkeys(platform, passkeys, kim, device):
    lee = platform.auth.users.create("lee@example.org", "Lee")
    [own] = passkeys.list(kim.id)
    assert passkeys.list(lee.id) == []
    for touch in (lambda: passkeys.rename(lee.id, own.id, "mine"), lambda: passkeys.remove(lee.id, own.id)):
        with pytest.raises(NotFoundError):
            touch()
    with pytest.raises(NotFoundError):
        passkeys.remove(kim.id, "no-id")


def test_there_is_an_end_to_passkeys(passkeys, kim):
    for number in range(20):
        add(passkeys, kim, Device(), name=f"device {number}")
    with pytest.raises(RestrictedError, match="20"):
        passkeys.begin_registration(kim.id)


def test_the_person_is_told_of_changes(passkeys, kim, device, captured_events):
    passkeys.remove(kim.id, passkeys.list(kim.id)[0].id)
    [told] = captured_events.of(CredentialChanged)
    assert (told.user, told.email, told.change) == (str(kim.id), "kim@example.org", "passkey_removed")


# -- what must not work ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lie",
    [
        {"origin": "https://localhost.evil.example"},
        {"origin": "http://localhost:8001"},
        {"domain": "evil.example"},
        {"verifies": False},
        {"cross_origin": True},
        {"copies": True},
    ],
    ids=["foreign origin", "foreign port", "foreign domain", "user not verified", "framed by another site", "became copyable"],
)
def test_a_device_that_answers_for_another_page_or_is_another_is_refused(passkeys, device, lie):
    for name, value in lie.items():
        setattr(device, name, value)
    with pytest.raises(UnauthenticatedError, match="not good"):
        enter(passkeys, device)


@pytest.mark.parametrize("lie", [{"origin": "https://evil.example"}, {"domain": "evil.example"}, {"verifies": False}])
def test_a_passkey_made_elsewhere_is_not_kept(passkeys, kim, lie):
    with pytest.raises(UnauthenticatedError):
        add(passkeys, kim, Device(**lie))
    assert passkeys.list(kim.id) == []


def test_a_challenge_is_good_once(passkeys, device):
    answer = device.get(passkeys.begin_sign_in())
    passkeys.finish_sign_in(answer)
    with pytest.raises(UnauthenticatedError, match="challenge"):
        passkeys.finish_sign_in(answer)


def test_of_two_who_answer_a_challenge_at_once_one_is_let_in(passkeys, device):
    answer = device.get(passkeys.begin_sign_in())

    def attempt(_):
        try:
            return passkeys.finish_sign_in(answer)
        except UnauthenticatedError:
            return None

    with ThreadPoolExecutor(4) as pool:
        assert len([one for one in pool.map(attempt, range(4)) if one is not None]) == 1


def test_a_challenge_is_used_up_by_a_wrong_answer(passkeys, device):
    asked = passkeys.begin_sign_in()
    with pytest.raises(UnauthenticatedError, match="not good"):
        passkeys.finish_sign_in(_tampered(device.get(asked)))
    with pytest.raises(UnauthenticatedError, match="challenge"):
        passkeys.finish_sign_in(device.get(asked))


def test_a_challenge_is_too_old_after_five_minutes(passkeys, device, frozen_clock):
    asked = passkeys.begin_sign_in()
    frozen_clock.advance(minutes=5, seconds=1)
    with pytest.raises(UnauthenticatedError, match="challenge"):
        passkeys.finish_sign_in(device.get(asked))


def test_a_challenge_serves_one_purpose_of_one_person(platform, passkeys, kim, device):
    lee = platform.auth.users.create("lee@example.org", "Lee")
    asked = passkeys.begin_registration(kim.id)
    with pytest.raises(UnauthenticatedError, match="challenge"):
        passkeys.finish_registration(lee.id, Device().create(asked), name="stolen")
    asked = passkeys.begin_registration(kim.id)
    with pytest.raises(UnauthenticatedError, match="challenge"):
        passkeys.finish_sign_in(device.get({**asked, "rpId": "localhost"}))
    with pytest.raises(UnauthenticatedError, match="challenge"):
        passkeys.finish_sign_in(device.get({"challenge": text(bytes(32)), "rpId": "localhost"}))


def test_a_signature_over_something_else_is_refused(passkeys, device):
    with pytest.raises(UnauthenticatedError, match="not good"):
        passkeys.finish_sign_in(_tampered(device.get(passkeys.begin_sign_in())))


def test_a_key_of_ones_own_under_anothers_name_is_refused(passkeys, kim, device):
    stranger = Device()
    [id] = device.keys
    stranger.create(passkeys.begin_registration(kim.id))
    stranger.keys = {id: (next(iter(stranger.keys.values()))[0], kim.id.bytes)}
    with pytest.raises(UnauthenticatedError, match="not good"):
        enter(passkeys, stranger)


def test_a_passkey_is_not_let_in_for_another_person(platform, passkeys, kim, device):
    lee = platform.auth.users.create("lee@example.org", "Lee")
    [(id, (key, _))] = device.keys.items()
    device.keys[id] = (key, lee.id.bytes)
    with pytest.raises(UnauthenticatedError, match="not good"):
        enter(passkeys, device)


def test_a_credential_belongs_to_one_person(platform, passkeys, kim):
    lee = platform.auth.users.create("lee@example.org", "Lee")
    device = Device()
    made = device.create(passkeys.begin_registration(kim.id))
    passkeys.finish_registration(kim.id, made, name="phone")
    asked = passkeys.begin_registration(lee.id)
    told = json.loads(raw(made["response"]["clientDataJSON"]))
    made["response"]["clientDataJSON"] = text(json.dumps({**told, "challenge": asked["challenge"]}).encode())
    with pytest.raises(DuplicateError):
        passkeys.finish_registration(lee.id, made, name="mine")


def test_a_copy_is_found_out_by_its_counter(passkeys, kim, device, captured_events):
    enter(passkeys, device)
    copy = Device(keys=dict(device.keys), count=device.count - 1)
    with pytest.raises(UnauthenticatedError, match="counter"):
        enter(passkeys, copy)
    [event] = captured_events.of(PasskeySuspected)
    assert (event.user, event.name) == (str(kim.id), "phone")
    assert enter(passkeys, device).user.id == kim.id  # the original goes on, and its owner may remove it


def test_a_device_that_stopped_counting_is_a_copy_too(passkeys, device):
    device.counts, device.count = False, 0
    with pytest.raises(UnauthenticatedError, match="counter"):
        enter(passkeys, device)


def test_who_is_disabled_or_no_member_is_not_let_in(platform, passkeys, kim, device):
    with pytest.raises(PermissionDeniedError):
        enter(passkeys, device, tenant="beta")
    platform.auth.users.disable(kim.id)
    with pytest.raises(UnauthenticatedError, match="disabled"):
        enter(passkeys, device)


def test_what_is_no_answer_is_refused_and_breaks_nothing(passkeys, kim, device):
    good = device.get(passkeys.begin_sign_in())
    scraps = st.one_of(st.none(), st.integers(), st.text(max_size=30), st.binary(max_size=30).map(text), st.lists(st.none()))

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(["id", "rawId", "type", "response", *good["response"]]), scraps)
    def attempt(part, value):
        answer = device.get(passkeys.begin_sign_in())
        answer = {**answer, part: value} if part in answer else {**answer, "response": {**answer["response"], part: value}}
        with pytest.raises(UnauthenticatedError):
            passkeys.finish_sign_in(answer)
        made = Device().create(passkeys.begin_registration(kim.id))
        if part in made:
            made[part] = value
        else:
            made["response"]["attestationObject"] = value
        with pytest.raises(UnauthenticatedError):
            passkeys.finish_registration(kim.id, made, name="x")

    attempt()
    for nonsense in ({}, {"response": None}, {"response": {"clientDataJSON": text(b"[]")}}):
        with pytest.raises(UnauthenticatedError):
            passkeys.finish_sign_in(nonsense)


def test_challenges_that_nobody_answered_are_forgotten(platform, passkeys, device, frozen_clock):
    for _ in range(3):
        passkeys.begin_sign_in()
    assert platform.auth.expire() == 0
    frozen_clock.advance(timedelta(minutes=6))
    assert platform.auth.expire() == 3


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://example.org", "https://example.org/path", "https://notexample.org", "example.org"]
)
def test_an_origin_that_the_domain_does_not_cover_stops_the_start(make_platform, origin):
    with pytest.raises(SettingsError, match="passkey_origins"):
        make_platform(auth={"passkey_domain": "example.org", "passkey_origins": [origin]}, migrated=False)
    make_platform(auth={"passkey_domain": "example.org", "passkey_origins": ["https://app.example.org"]}, migrated=False)


def _tampered(answer):
    data = bytearray(raw(answer["response"]["signature"]))
    data[-1] ^= 1
    answer["response"]["signature"] = text(bytes(data))
    return answer
