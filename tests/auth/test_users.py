"""People and their passwords: what is accepted, how it is kept, and that nobody learns who has an account."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from argon2 import PasswordHasher
from sqlalchemy import event, select, update

from brickwork.auth import passwords
from brickwork.auth.events import (
    CredentialChanged,
    EmailVerificationRequested,
    PasswordResetAsked,
    PasswordResetRequested,
)
from brickwork.auth.models import TokenRow, UserRow
from brickwork.errors import DuplicateError, NotFoundError, UnauthenticatedError, ValidationError
from brickwork.limits.service import RateLimitedError

from .conftest import PASSWORD

OTHER = "seven quiet owls read maps"


@pytest.fixture
def users(platform):
    return platform.auth.users


@pytest.fixture
def kim(users):
    return users.create("kim@example.org", "Kim", password=PASSWORD)


@pytest.fixture
def statements(platform):
    """The SQL that a call runs, with its values left out."""

    def of(call):
        seen = []

        def note(connection, cursor, statement, parameters, context, many):
            seen.append(statement)

        engines = {platform.database.engines.read, platform.database.engines.write}
        for engine in engines:
            event.listen(engine, "before_cursor_execute", note)
        try:
            call()
        except UnauthenticatedError:
            pass
        finally:
            for engine in engines:
                event.remove(engine, "before_cursor_execute", note)
        return seen

    return of


def stored(platform, user):
    with platform.auth.system() as transaction:
        return transaction.execute(select(UserRow.password).where(UserRow.id == user.id)).scalar_one()


def store(platform, user, **values):
    with platform.auth.system() as transaction:
        transaction.execute(update(UserRow).where(UserRow.id == user.id).values(**values))


def test_a_person_is_found_by_the_address_however_it_is_written(users, kim):
    assert users.find("Kim@Example.org") == users.get(kim.id) == users.get(kim.actor) == kim
    assert users.find("lee@example.org") is None
    with pytest.raises(DuplicateError):
        users.create(" KIM@example.org".strip(), "Another Kim")
    with pytest.raises(NotFoundError):
        users.get("user:nobody")


@pytest.mark.parametrize(("email", "name"), [("kim", "Kim"), ("kim@", "Kim"), ("a@b.org\n", "K"), ("kim@example.org", " ")])
def test_what_is_no_address_or_no_name_is_refused(users, email, name):
    with pytest.raises(ValidationError):
        users.create(email, name)


# -- what passwords are accepted ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "password",
    ["short", "password2024", "Administrator1", "iloveyou1234567", "qwertyuiopas", "abababababab", "123456789012",
     "kim-example1", "mybrickwork1", "x" * 257],
)  # fmt: skip
def test_a_weak_password_is_refused(users, password):
    with pytest.raises(ValidationError) as caught:
        users.create("kim-example@example.org", "Kim", password=password)
    assert caught.value.problems[0].field == "password"
    assert password not in caught.value.message
    assert users.find("kim-example@example.org") is None


def test_the_list_of_breached_passwords_holds_what_could_pass_otherwise():
    known = passwords.breached()
    assert len(known) > 1500
    assert min(map(len, known)) >= 8
    assert {"password", "12345678", "password123", "qwerty123", "1q2w3e4r", "iloveyou", "trustno1", "administrator"} <= known


def test_a_password_is_the_same_however_the_keyboard_composed_it(platform, users):
    users.create("kim@example.org", "Kim", password="caf\u00e9 au lait, merci")
    assert users.check_password("kim@example.org", "cafe\u0301 au lait, merci")


# -- how they are kept -------------------------------------------------------------------------------------------------


def test_a_password_is_kept_as_an_argon2id_hash_that_nothing_shows(platform, kim):
    kept = stored(platform, kim)
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert PASSWORD not in repr(kim)
    with platform.system_context(reason="test"):
        entries = platform.audit.entries(entity="auth_user").items
    assert entries
    assert not any(kept in str(entry) or PASSWORD in str(entry) for entry in entries)


def test_a_hash_of_older_parameters_is_renewed_when_its_owner_signs_in(platform, users, kim):
    old = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    store(platform, kim, password=old)
    assert users.check_password(kim.email, OTHER) is None
    assert stored(platform, kim) == old
    platform.auth.sessions.sign_in(kim.email, PASSWORD)
    assert stored(platform, kim).startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert users.check_password(kim.email, PASSWORD) is not None


def test_renewing_a_hash_does_not_bring_back_a_password_that_was_changed_meanwhile(platform, users, kim, monkeypatch):
    store(platform, kim, password=PasswordHasher(time_cost=1, memory_cost=8192).hash(PASSWORD))
    outdated = passwords.outdated

    def meanwhile(hashed):
        users.set_password(kim.id, OTHER)
        return outdated(hashed)

    monkeypatch.setattr(passwords, "outdated", meanwhile)
    with pytest.raises(UnauthenticatedError, match="meanwhile"):
        platform.auth.sessions.sign_in(kim.email, PASSWORD)
    monkeypatch.undo()
    assert users.check_password(kim.email, PASSWORD) is None
    assert users.check_password(kim.email, OTHER) is not None


def test_who_changes_a_password_knows_the_old_one(users, kim, captured_events):
    with pytest.raises(UnauthenticatedError):
        users.change_password(kim.id, OTHER, OTHER)
    with pytest.raises(ValidationError):
        users.change_password(kim.id, PASSWORD, "password2024")
    users.change_password(kim.id, PASSWORD, OTHER)
    assert users.check_password(kim.email, PASSWORD) is None
    assert [told.change for told in captured_events.of(CredentialChanged)] == ["password"]


# -- guessing ----------------------------------------------------------------------------------------------------------


def test_guessing_one_account_is_slowed_down_even_where_the_guess_is_right(platform, kim):
    for _ in range(10):
        with pytest.raises(UnauthenticatedError):
            platform.auth.sessions.sign_in(kim.email, OTHER)
    with pytest.raises(RateLimitedError):
        platform.auth.sessions.sign_in(kim.email, PASSWORD)


def test_guessing_many_accounts_from_one_address_is_slowed_down(make_platform, frozen_clock):
    platform = make_platform(clock=frozen_clock, auth={"attempts_per_address": "3/900s"})
    for number in range(3):
        with pytest.raises(UnauthenticatedError):
            platform.auth.sessions.sign_in(f"kim{number}@example.org", OTHER, address="10.0.0.1")
    with pytest.raises(RateLimitedError):
        platform.auth.sessions.sign_in("kim9@example.org", OTHER, address="10.0.0.1")
    with pytest.raises(RateLimitedError):
        platform.auth.users.request_reset("kim9@example.org", address="10.0.0.1")
    with pytest.raises(RateLimitedError):
        platform.auth.passkeys.begin_sign_in(address="10.0.0.1")
    with pytest.raises(UnauthenticatedError):
        platform.auth.sessions.sign_in("kim9@example.org", OTHER, address="10.0.0.2")


def test_who_signs_in_may_begin_anew(platform, kim):
    for _ in range(3):
        for _ in range(5):
            with pytest.raises(UnauthenticatedError):
                platform.auth.sessions.sign_in(kim.email, OTHER)
        platform.auth.sessions.sign_in(kim.email, PASSWORD)


def test_guessing_the_present_password_to_change_it_is_slowed_down(users, kim):
    for _ in range(10):
        with pytest.raises(UnauthenticatedError):
            users.change_password(kim.id, OTHER, OTHER)
    with pytest.raises(RateLimitedError):
        users.change_password(str(kim.id), PASSWORD, OTHER)


# -- who has an account is nobody's business ---------------------------------------------------------------------------


@pytest.mark.parametrize("whose", ["nobody", "disabled", "without password", "no address"])
def test_signing_in_tells_and_costs_the_same_whoever_it_is(platform, users, kim, whose, monkeypatch):
    address = {"nobody": "nobody@example.org", "no address": "@"}.get(whose, kim.email)
    if whose == "disabled":
        users.disable(kim.id)
    if whose == "without password":
        store(platform, kim, password=None)
    hashed = []
    verify = PasswordHasher.verify
    monkeypatch.setattr(PasswordHasher, "verify", lambda self, *given: hashed.append(1) or verify(self, *given))
    with pytest.raises(UnauthenticatedError) as caught:
        platform.auth.sessions.sign_in(address, PASSWORD)
    assert caught.value.message == "address or password are wrong"
    assert hashed == [1]  # the slow part, once


def test_asking_for_a_reset_does_the_same_whether_there_is_an_account(users, kim, statements, captured_events):
    users.request_reset("warm@example.org")
    known, unknown = statements(lambda: users.request_reset(kim.email)), statements(lambda: users.request_reset("x@example.org"))
    assert known == unknown
    assert not any("auth_user" in statement for statement in known)
    assert [asked.email for asked in captured_events.of(PasswordResetAsked)][1:] == [kim.email, "x@example.org"]


def test_a_reset_for_nobody_or_who_is_disabled_sends_nothing(platform, users, kim, captured_events):
    users.request_reset("nobody@example.org")
    users.disable(kim.id)
    users.request_reset(kim.email)
    platform.messaging.drain()
    assert captured_events.of(PasswordResetRequested) == []


# -- by mail -----------------------------------------------------------------------------------------------------------


def token_of(platform, event):
    assert "bwt_" not in event.sealed
    return platform.auth.unseal(event.sealed)


def test_an_address_is_verified_with_a_token_that_travels_sealed(platform, users, kim, captured_events):
    assert not kim.verified
    users.request_verification(kim.id)
    [asked] = captured_events.of(EmailVerificationRequested)
    token = token_of(platform, asked)
    assert users.verify_email(token).verified
    with pytest.raises(UnauthenticatedError):
        users.verify_email(token)


def test_a_forgotten_password_is_replaced_once(platform, users, kim, captured_events):
    session = platform.auth.sessions.begin(kim)
    users.request_reset(kim.email)
    users.request_reset("KIM@example.org")
    platform.messaging.drain()
    first, second = [token_of(platform, event) for event in captured_events.of(PasswordResetRequested)]
    with pytest.raises(ValidationError):
        users.reset_password(first, "password2024")
    assert users.reset_password(first, OTHER).verified  # who reads the mail owns the address
    assert users.check_password(kim.email, OTHER) is not None
    with pytest.raises(UnauthenticatedError):
        platform.auth.sessions.find(session.token)
    for used in (first, second):
        with pytest.raises(UnauthenticatedError):
            users.reset_password(used, PASSWORD)


def test_of_two_who_show_a_token_at_once_one_is_let_through(platform, users, kim, captured_events):
    users.request_reset(kim.email)
    platform.messaging.drain()
    [asked] = captured_events.of(PasswordResetRequested)
    token = token_of(platform, asked)

    def attempt(number):
        try:
            return users.reset_password(token, f"{OTHER} {number}")
        except UnauthenticatedError:
            return None

    with ThreadPoolExecutor(4) as pool:
        assert len([one for one in pool.map(attempt, range(4)) if one is not None]) == 1


def test_a_token_ends_serves_one_purpose_and_not_who_is_disabled(platform, users, kim, captured_events, frozen_clock):
    users.request_reset(kim.email)
    users.request_verification(kim.id)
    platform.messaging.drain()
    reset = token_of(platform, captured_events.of(PasswordResetRequested)[0])
    verify = token_of(platform, captured_events.of(EmailVerificationRequested)[0])
    with pytest.raises(UnauthenticatedError):
        users.reset_password(verify, OTHER)
    with pytest.raises(UnauthenticatedError):
        users.verify_email(reset)
    users.disable(kim.id)
    with pytest.raises(UnauthenticatedError):
        users.verify_email(verify)
    users.enable(kim.id)
    frozen_clock.advance(minutes=61)
    with pytest.raises(UnauthenticatedError):
        users.reset_password(reset, OTHER)


def test_a_mistyped_token_is_refused_without_a_query(users, statements):
    for token in ("", "x", "bwt_" + "a" * 49, "bwt_" + "ü" * 49):
        assert statements(lambda token=token: users.reset_password(token, OTHER)) == []


def test_tokens_that_are_over_are_forgotten(platform, users, kim, frozen_clock):
    users.request_reset(kim.email)
    users.request_verification(kim.id)
    platform.messaging.drain()
    frozen_clock.advance(hours=2)
    assert platform.auth.expire() == 1
    frozen_clock.advance(days=2)
    assert platform.auth.expire() == 1
    with platform.auth.system() as transaction:
        assert transaction.session.scalars(select(TokenRow)).all() == []


def test_a_server_forgets_what_is_over_by_itself(platform, monkeypatch):
    from threading import Event

    from brickwork.web import service as upkeep

    called = Event()
    monkeypatch.setattr(upkeep, "UPKEEP", 0.01)
    monkeypatch.setattr(platform.auth, "expire", called.set)
    web = platform.get("web")
    web.start()
    assert called.wait(10)
    web.close()
