"""A07:2021 Identification and authentication failures: weak passwords, weak second factors, sessions that never end. (The rest:
test_api2; passkeys: tests/auth/test_passkeys.py.)"""

import pytest

from brickwork.auth import totp
from brickwork.errors import ValidationError

from .conftest import API, PASSWORD


@pytest.mark.parametrize(
    "password",
    ["short", "password1234", "aaaaaaaaaaaaaaa", "abcdefghijklmnop", "kim.example.org1", "qwertyuiopas", "123456789012"],
)
def test_a_password_that_is_tried_first_is_not_taken(site, password):
    with pytest.raises(ValidationError):
        site.platform.auth.users.create("kim.example.org1@example.org", "Kim", password=password)


def test_a_code_is_good_once_and_the_password_alone_is_not_enough(site):
    user = site.person()
    users, clock = site.platform.auth.users, site.platform.clock
    secret = users.enrol_totp(user.id).secret
    step = int(clock.now().timestamp()) // totp.STEP
    users.confirm_totp(user.id, totp.code(secret, step))
    assert site.sign_in().json()["errors"][0]["code"] == "code_required"
    assert site.sign_in(code=totp.code(secret, step)).status_code == 401  # it was used to confirm
    assert site.sign_in(code="000000").status_code == 401
    assert site.sign_in(code=totp.code(secret, step + 1)).status_code == 201


def test_guessing_codes_is_stopped_though_the_password_is_right(site):
    user = site.person()
    users = site.platform.auth.users
    secret = users.enrol_totp(user.id).secret
    users.confirm_totp(user.id, totp.code(secret, int(site.platform.clock.now().timestamp()) // totp.STEP))
    answers = [site.sign_in(code=f"{n:06}").status_code for n in range(12)]
    assert answers[-1] == 429
    assert 201 not in answers


def test_a_session_ends_by_itself(make_platform, frozen_clock):
    from datetime import timedelta

    from starlette.testclient import TestClient

    from brickwork.web import create_app

    platform = make_platform(clock=frozen_clock)
    user = platform.auth.users.create("kim@example.org", "Kim", password=PASSWORD)
    with platform.context(tenant="alpha", actor="setup"):
        platform.auth.members.add(user)
    with TestClient(create_app(platform)) as client:
        answer = client.post(f"{API}/auth/session", json={"email": "kim@example.org", "password": PASSWORD})
        headers = {"Authorization": f"Bearer {answer.json()['data']['token']}"}
        assert client.get(f"{API}/auth/session", headers=headers).status_code == 200
        frozen_clock.advance(seconds=timedelta(hours=platform.auth.settings.session_idle_hours, minutes=1).total_seconds())
        assert client.get(f"{API}/auth/session", headers=headers).status_code == 401
