"""A02:2021 Cryptographic failures: what lies in the database, or its backup, opens nothing."""

import re

from sqlalchemy import text

from brickwork.auth import passwords, secret

from .conftest import PASSWORD


def everything(platform):
    """All rows of all tables, as text, as somebody sees them who took the file or the backup."""
    import sqlalchemy as sa

    found = []
    url = platform.settings.database.owner_url or platform.settings.database.url
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        for name in sa.inspect(engine).get_table_names():
            if platform.settings.database.owner_url:
                connection.execute(text("SELECT set_config('brickwork.tenant', '*', true)"))
            found += [repr(tuple(row)) for row in connection.execute(text(f'SELECT * FROM "{name}"'))]
    engine.dispose()
    return "\n".join(found)


def test_no_password_key_token_or_code_is_stored_in_the_clear(site):
    user = site.person()
    token = site.sign_in().json()["data"]["token"]
    enrolled = site.platform.auth.users.enrol_totp(user.id)
    with site.platform.context(tenant="alpha", actor="setup"):
        key = site.platform.auth.keys.create(user.actor, "mine").token
        site.platform.auth.users.request_reset(user.email)
        site.platform.auth.members.invite("lea@example.org")
    stored = everything(site.platform)
    assert user.email in stored  # it looked at the right place
    for clear in (PASSWORD, token, key, enrolled.secret, site.admin["alpha"]["Authorization"].split()[1], "A-77"):
        assert clear not in stored
    assert not re.search(r"bw[a-z]_[\w.-]*[0-9A-Za-z]{49}", stored)  # nor a token that was sent


def test_passwords_are_hashed_by_argon2id_with_owasps_least_parameters():
    hashed = passwords.hash_password(PASSWORD)
    memory, passes, lanes = map(int, re.match(r"\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$", hashed).groups())
    assert memory >= 19_456
    assert passes >= 2
    assert lanes == 1
    assert passwords.hash_password(PASSWORD) != hashed  # a salt of its own


def test_secrets_have_256_bits_and_are_compared_by_digest(site):
    made = {secret.make("bwk") for _ in range(200)}
    assert len(made) == 200
    assert all(len(one) == len("bwk_") + secret.LENGTH + secret.CHECK for one in made)
    assert 62**secret.LENGTH > 2**256
