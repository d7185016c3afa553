"""Codes of an authenticator app, and the recovery codes for whoever lost it."""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select

from brickwork.auth import CodeRequiredError, totp
from brickwork.auth.events import CredentialChanged
from brickwork.auth.models import UserRow
from brickwork.errors import UnauthenticatedError, ValidationError
from brickwork.limits.service import RateLimitedError

from .conftest import PASSWORD


@pytest.fixture
def users(platform):
    return platform.auth.users


@pytest.fixture
def kim(users):
    return users.create("kim@example.org", "Kim", password=PASSWORD)


@pytest.fixture
def app(users, kim, frozen_clock):
    """The code that an authenticator app shows, `ahead` steps from now. It is enrolled and confirmed."""
    secret = users.enrol_totp(kim.id).secret

    def show(ahead=0):
        return totp.code(secret, int(frozen_clock.now().timestamp()) // totp.STEP + ahead)

    show.recovery = users.confirm_totp(kim.id, show())
    frozen_clock.advance(seconds=totp.STEP)
    return show


@pytest.fixture
def enter(platform, kim):
    return lambda code=None: platform.auth.sessions.sign_in(kim.email, PASSWORD, code=code)


def attempts(call, codes):
    def attempt(code):
        try:
            return call(code)
        except UnauthenticatedError:
            return None

    with ThreadPoolExecutor(4) as pool:
        return [one for one in pool.map(attempt, codes) if one is not None]


@pytest.mark.parametrize(
    ("moment", "code"), [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"),
                         (2000000000, "279037"), (20000000000, "353130")],
)  # fmt: skip
def test_codes_are_those_of_rfc_6238_appendix_b(moment, code):
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    assert totp.code(secret, moment // totp.STEP) == code
    assert totp.match(secret, code, moment, 0) == moment // totp.STEP


def test_an_app_is_enrolled_with_a_link_and_counts_once_confirmed(platform, users, kim, enter, frozen_clock):
    made = users.enrol_totp(kim.id)
    link = urlsplit(made.link)
    assert (link.scheme, link.netloc, link.path) == ("otpauth", "totp", "/brickwork:kim%40example.org")
    assert parse_qs(link.query) == {"secret": [made.secret], "issuer": ["brickwork"]}
    assert enter()  # not confirmed yet
    with pytest.raises(UnauthenticatedError):
        users.confirm_totp(kim.id, "000000")
    codes = users.confirm_totp(kim.id, totp.code(made.secret, int(frozen_clock.now().timestamp()) // totp.STEP))
    assert len(set(codes)) == 10
    assert users.get(kim.id).second_factor
    with pytest.raises(ValidationError):
        users.enrol_totp(kim.id)


def test_the_secret_and_recovery_codes_are_not_kept_in_the_clear(platform, users, kim, app):
    with platform.auth.system() as transaction:
        row = transaction.session.scalars(select(UserRow)).one()
        kept = f"{row.totp} {row.recovery}"
    assert not any(code in kept or code.replace("-", "") in kept for code in app.recovery)
    assert len(platform.auth.unseal(row.totp)) == 32
    assert platform.auth.unseal(row.totp) not in kept


def test_a_code_is_asked_for_after_the_right_password_only(platform, kim, app, enter):
    with pytest.raises(CodeRequiredError):
        enter()
    with pytest.raises(UnauthenticatedError) as caught:
        platform.auth.sessions.sign_in(kim.email, "seven quiet owls read maps")
    assert not isinstance(caught.value, CodeRequiredError)
    assert enter(app())


def test_a_code_is_good_once(app, enter):
    code = app()
    assert enter(code)
    with pytest.raises(UnauthenticatedError):
        enter(code)


def test_the_code_that_confirmed_the_app_lets_nobody_in(users, kim, enter, frozen_clock):
    secret = users.enrol_totp(kim.id).secret
    code = totp.code(secret, int(frozen_clock.now().timestamp()) // totp.STEP)
    users.confirm_totp(kim.id, code)
    with pytest.raises(UnauthenticatedError):
        enter(code)


def test_of_many_who_show_a_code_at_once_one_is_let_in(app, enter):
    assert len(attempts(enter, [app()] * 4)) == 1


def test_a_clock_may_be_off_by_one_step_and_older_codes_count_no_more(app, enter):
    for wrong in (app(2), app(-2), "12345", "1234567", "abcdef", "", "١٢٣٤٥٦"):
        with pytest.raises(UnauthenticatedError):
            enter(wrong)
    later = app(1)
    assert enter(f"{later[:3]} {later[3:]}")
    with pytest.raises(UnauthenticatedError):
        enter(app())  # the step before one that was used


def test_a_recovery_code_is_good_once_however_it_is_written(app, enter):
    code = app.recovery[3]
    assert enter(f" {code.upper().replace('-', ' ')}")
    with pytest.raises(UnauthenticatedError):
        enter(code)
    assert len(attempts(enter, [app.recovery[4]] * 4)) == 1
    assert enter(app.recovery[5])


def test_recovery_codes_are_replaced(users, kim, app, enter):
    fresh = users.new_recovery_codes(kim.id)
    with pytest.raises(UnauthenticatedError):
        enter(app.recovery[0])
    assert enter(fresh[0])
    users.remove_totp(kim.id)
    with pytest.raises(ValidationError):
        users.new_recovery_codes(kim.id)


def test_guessing_codes_is_slowed_down(app, enter, users, kim):
    for number in range(10):
        with pytest.raises(UnauthenticatedError):
            enter(f"{number:06}")
    with pytest.raises(RateLimitedError):
        enter(app())


def test_guessing_while_confirming_is_slowed_down(users, kim):
    users.enrol_totp(kim.id)
    for _ in range(10):
        with pytest.raises(UnauthenticatedError):
            users.confirm_totp(kim.id, "000000")
    with pytest.raises(RateLimitedError):
        users.confirm_totp(kim.id, "000000")


def test_of_two_who_confirm_at_once_one_gets_recovery_codes(users, kim, frozen_clock, enter):
    secret = users.enrol_totp(kim.id).secret
    step = int(frozen_clock.now().timestamp()) // totp.STEP
    made = attempts(lambda code: users.confirm_totp(kim.id, code), [totp.code(secret, step), totp.code(secret, step + 1)] * 2)
    assert len(made) == 1
    assert enter(made[0][0])


@pytest.mark.parametrize("change", ["confirmed", "removed"])
def test_changing_the_second_factor_ends_every_other_session(platform, users, kim, frozen_clock, change):
    sessions = platform.auth.sessions
    if change == "removed":
        secret = users.enrol_totp(kim.id).secret
        users.confirm_totp(kim.id, totp.code(secret, int(frozen_clock.now().timestamp()) // totp.STEP))
    here, there = sessions.begin(kim), sessions.begin(kim)
    session = sessions.find(here.token).id
    if change == "removed":
        users.remove_totp(kim.id, session=session)
    else:
        secret = users.enrol_totp(kim.id).secret
        users.confirm_totp(kim.id, totp.code(secret, int(frozen_clock.now().timestamp()) // totp.STEP), session=session)
    assert sessions.find(here.token)
    with pytest.raises(UnauthenticatedError):
        sessions.find(there.token)


def test_a_factor_that_is_added_while_somebody_signs_in_without_it_is_asked_for(platform, users, kim, enter, monkeypatch):
    forgive = platform.auth.throttle.forgive

    def meanwhile(what):
        from brickwork.kernel.context import SYSTEM_TENANT

        with platform.auth.system() as transaction:
            transaction.session.get(UserRow, (SYSTEM_TENANT, kim.id)).totp_confirmed = True
        forgive(what)

    monkeypatch.setattr(platform.auth.throttle, "forgive", meanwhile)
    with pytest.raises(UnauthenticatedError):
        enter()
    assert platform.auth.sessions.list(kim.id) == []


def test_the_person_is_told_of_changes_and_the_audit_trail_too(platform, users, kim, app, captured_events):
    users.remove_totp(kim.id)
    assert [told.change for told in captured_events.of(CredentialChanged)] == ["totp"]
    with platform.system_context(reason="test"):
        assert f"remove the second factor of user {kim.id}" in {entry.reason for entry in platform.audit.entries(limit=50).items}


def test_a_reset_password_does_not_stand_for_the_second_factor(users, kim, app, platform, captured_events):
    from brickwork.auth.events import PasswordResetRequested

    users.request_reset(kim.email)
    platform.messaging.drain()
    [asked] = captured_events.of(PasswordResetRequested)
    users.reset_password(platform.auth.unseal(asked.sealed), "seven quiet owls read maps")
    with pytest.raises(CodeRequiredError):
        platform.auth.sessions.sign_in(kim.email, "seven quiet owls read maps")
