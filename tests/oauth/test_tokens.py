"""Access tokens at the API: what is not one of ours, for us, in time and not revoked is refused (RFC 9068, 4; RFC 8725)."""

import base64
import hmac
import json

import pytest
from joserfc import jwk, jwt

from .conftest import TENANT, World, error_of


def b64(data):
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else json.dumps(data).encode()).decode().rstrip("=")


def parts_of(token):
    return [json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in token.split(".")[:2]]


@pytest.fixture
def made(world):
    return world.register()


@pytest.fixture
def body(world, made):
    found = world.tokens(made)
    assert world.call(found["access_token"]).status_code == 200
    return found


def refused(world, token):
    """The token opens neither the API nor userinfo, and the answer says so as RFC 6750, 3, wants."""
    answers = [world.call(token), world.http.get(f"{world.issuer}/userinfo", headers={"Authorization": f"Bearer {token}"})]
    assert all(answer.headers["www-authenticate"].startswith("Bearer") for answer in answers)
    return {answer.status_code for answer in answers} == {401}


@pytest.mark.parametrize("alg", ["none", "None", "nOnE", ""])
def test_a_token_without_signature_is_refused(world, body, alg):
    """RFC 8725, 2.1 and 3.2; RFC 9068, 4: alg none."""
    header, claims = parts_of(body["access_token"])
    for tail in ("", body["access_token"].rpartition(".")[2]):
        assert refused(world, f"{b64({**header, 'alg': alg})}.{b64(claims)}.{tail}")


def test_our_public_key_is_no_shared_secret(world, body):
    """RFC 8725, 2.1: HS256 with the public key, in each form in which one may have it."""
    header, claims = parts_of(body["access_token"])
    [key] = world.http.get(f"{world.issuer}/jwks").json()["keys"]
    pem = jwk.import_key(key).as_pem(private=False)
    signed = f"{b64({**header, 'alg': 'HS256'})}.{b64(claims)}"
    for secret in (pem, pem.strip(), json.dumps(key).encode(), key["x"].encode()):
        tag = hmac.digest(secret, signed.encode(), "sha256")
        assert refused(world, f"{signed}.{b64(tag)}")


@pytest.mark.parametrize("alg", ["RS256", "ES384", "PS256", "Ed25519", "HS256"])
def test_the_header_does_not_choose_the_algorithm(world, body, alg):
    """RFC 8725, 3.1."""
    header, claims = parts_of(body["access_token"])
    assert refused(world, f"{b64({**header, 'alg': alg})}.{b64(claims)}.{body['access_token'].rpartition('.')[2]}")


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null", "/dev/null", "file:///dev/null", "' OR '1'='1", "x' UNION SELECT 'AAAA' --", "http://127.0.0.1:1/jwks",
        "|whoami", "", None, 7, ["a"], {"a": 1}, "a" * 4000,
    ],
)  # fmt: skip
def test_a_key_id_is_looked_up_among_our_own_and_nothing_else(world, body, kid):
    """RFC 8725, 3.10: path, SQL and URL injection by kid; a zero-byte secret, which /dev/null would give."""
    header, claims = parts_of(body["access_token"])
    for extra in ({}, {"alg": "HS256"}):
        signed = f"{b64({**header, **extra, 'kid': kid})}.{b64(claims)}"
        assert refused(world, f"{signed}.{b64(hmac.digest(b'', signed.encode(), 'sha256'))}")


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c"])
def test_a_key_that_the_token_brings_along_is_not_used(world, body, name):
    """RFC 8725, 3.10; RFC 7515, 4.1.3."""
    header, claims = parts_of(body["access_token"])
    own = jwk.generate_key("EC", "P-256", private=True)
    brought = {"jwk": own.as_dict(private=False), "jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/", "x5c": ["AAAA"]}[
        name
    ]
    assert refused(world, jwt.encode({**header, name: brought}, claims, own, ["ES256"]))


def test_a_token_of_another_kind_is_no_access_token(world, made, body):
    """RFC 8725, 3.11; RFC 9068, 5: ID tokens, refresh tokens and codes open nothing."""
    code, _ = world.code(made)
    for other in (body["id_token"], body["refresh_token"], code, made.secret):
        assert refused(world, other)


def test_a_changed_token_is_refused(world, body):
    head, payload, tag = body["access_token"].split(".")
    _, claims = parts_of(body["access_token"])
    kim = world.platform.auth.users.find("kim@example.org")
    for changed in ({"scope": "*"}, {"sub": "service:root"}, {"exp": 9999999999}, {"iss": claims["iss"].replace(TENANT, "beta")}):
        assert refused(world, f"{head}.{b64({**claims, **changed})}.{tag}")
    assert kim.actor == claims["sub"]
    for token in ("..", "a.b.c", f"{head}.{payload}.", f"{head}.{payload}.{tag}x", f"{head}..{tag}", "é.é.é", "x" * 9000 + ".y.z",
                  f"{b64(b'[]')}.{payload}.{tag}", f"{b64(b'[' * 5000)}.{payload}.{tag}"):  # fmt: skip
        assert (
            world.http.get("/api/v1/entities/patient", headers={"Authorization": f"Bearer {token}".encode()}).status_code == 401
        )


def test_another_tenants_token_is_refused_there_and_opens_its_own_only(world, body):
    """RFC 8725, 3.8 and 3.10: the issuer decides whose key counts."""
    other = World(world.platform, "beta", world.app)
    with other.context():
        world.platform.entities.types.apply({"name": "patient", "fields": {"name": {"type": "text"}}})
        world.platform.entities.create("patient", {"name": "Bea"})
    other.person()
    mine = other.register()
    assert mine.client.client_id
    foreign = other.tokens(mine)["access_token"]
    answer = world.http.get(f"{world.issuer}/userinfo", headers={"Authorization": f"Bearer {foreign}"})
    assert answer.status_code == 401
    assert [one["fields"]["name"] for one in other.call(foreign).json()["data"]] == ["Bea"]
    header, claims = parts_of(body["access_token"])
    with world.platform.context(tenant="beta"):
        signer = world.platform.oauth.keys.signer("ES256")
    for kid in (signer.kid, header["kid"]):  # signed by beta's key in alpha's name
        assert refused(world, jwt.encode({**header, "kid": kid}, claims, signer.key, ["ES256"]))
    code, verifier = other.code(mine)
    assert error_of(world.redeem(mine, code, verifier)) == "invalid_client"  # alpha knows no such client


def test_a_token_for_another_audience_is_refused(world):
    """RFC 9068, 4; RFC 8707."""
    world.service()
    made = world.register(
        grant_types=["client_credentials"], service="robot", audiences=["https://billing.example.org"], redirect_uris=[],
        scope="entities.patient.read",
    )  # fmt: skip
    foreign = world.post("token", made, grant_type="client_credentials", resource="https://billing.example.org").json()
    assert refused(world, foreign["access_token"])
    own = world.post("token", made, grant_type="client_credentials").json()
    assert world.call(own["access_token"]).status_code == 200
    for wish in (
        {"resource": "https://evil.example"},
        {"audience": "x"},
        {"resource": "https://billing.example.org", "audience": "x"},
    ):
        assert error_of(world.post("token", made, grant_type="client_credentials", **wish)) == "invalid_target"


def test_a_token_of_another_address_of_the_server_is_refused(make_platform):
    """RFC 9068, 4: iss. The address comes from the settings, whatever the Host header says (OWASP, host header injection)."""
    world = World(make_platform(oauth={"base_url": "https://api.example.org"}))
    metadata = world.register() and world.http.get(f"{world.issuer}/.well-known/openid-configuration").json()
    assert metadata["issuer"] == "https://api.example.org/oauth/alpha"
    assert "127.0.0.1" not in json.dumps(metadata)


def test_without_an_address_the_server_speaks_on_loopback_only(world, made):
    answer = world.http.get(f"{world.issuer}/.well-known/openid-configuration", headers={"host": "evil.example"})
    assert answer.status_code == 500
    assert "evil" not in answer.text


@pytest.fixture
def timed(make_platform, frozen_clock):
    world = World(make_platform(clock=frozen_clock))
    with world.context():
        world.platform.entities.types.apply({"name": "patient", "fields": {"name": {"type": "text"}}})
    world.person()
    return world


def test_a_token_is_over_when_it_says(timed, frozen_clock):
    """RFC 9068, 4: exp."""
    body = timed.tokens(timed.register())
    assert body["expires_in"] == 600
    frozen_clock.advance(seconds=601)
    assert timed.call(body["access_token"]).status_code == 200  # clocks may differ by half a minute
    frozen_clock.advance(seconds=30)
    assert refused(timed, body["access_token"])


def test_keys_are_rotated_and_old_ones_stay_until_their_tokens_are_over(timed, frozen_clock):
    made = timed.register(id_token_signed_response_alg="RS256")
    old = timed.tokens(made)
    listed = lambda: {key["kid"] for key in timed.http.get(f"{timed.issuer}/jwks").json()["keys"]}  # noqa: E731
    before = listed()
    with timed.context():
        fresh = set(timed.platform.oauth.keys.rotate())
    assert len(before) == len(fresh) == 2
    assert listed() == before | fresh
    new = timed.tokens(made)
    assert parts_of(new["access_token"])[0]["kid"] in fresh
    assert parts_of(new["id_token"])[0]["kid"] in fresh
    assert timed.call(old["access_token"]).status_code == timed.call(new["access_token"]).status_code == 200
    frozen_clock.advance(minutes=16)
    assert listed() == fresh
    assert timed.platform.oauth.expire() > 0
    assert listed() == fresh


def test_private_keys_lie_encrypted_and_never_leave(world, made):
    with world.context(), world.platform.transaction(readonly=True) as transaction:
        from brickwork.oauth.models import SigningKeyRow

        [row] = transaction.session.query(SigningKeyRow).all()
    assert '"d"' not in row.private
    assert "d" not in row.public
    assert not {"d", "p", "q", "k"} & world.http.get(f"{world.issuer}/jwks").json()["keys"][0].keys()


# -- revocation ------------------------------------------------------------------------------------------------------------


def test_an_access_token_is_revoked_at_once_in_every_process(world, made, body, make_platform):
    """RFC 7009, 2."""
    other = World(make_platform(database=world.platform.settings.database.model_dump(exclude_none=True),
                                keyring={"keys": {"k1": "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="}}))  # fmt: skip
    assert other.call(body["access_token"]).status_code == 200
    assert world.post("revoke", made, token=body["access_token"]).status_code == 200
    assert refused(world, body["access_token"])
    from time import monotonic, sleep

    deadline = monotonic() + 20  # another machine hears of it
    while other.call(body["access_token"]).status_code != 401:
        assert monotonic() < deadline
        sleep(0.02)
    assert world.refresh(made, body["refresh_token"]).status_code == 200  # the grant lives on


def test_revoking_a_refresh_token_ends_all_of_its_grant(world, made, body):
    """RFC 7009, 2.1."""
    after = world.refresh(made, body["refresh_token"]).json()
    assert world.post("revoke", made, token=after["refresh_token"], token_type_hint="access_token").status_code == 200
    assert refused(world, body["access_token"])
    assert refused(world, after["access_token"])
    assert error_of(world.refresh(made, after["refresh_token"])) == "invalid_grant"


def test_a_client_revokes_its_own_tokens_only(world, made, body):
    """RFC 7009, 2.1 and 2.2: an unknown token is no error, and another client's is unknown."""
    other = world.register("Other")
    for token in (body["access_token"], body["refresh_token"], "invented"):
        assert world.post("revoke", other, token=token).status_code == 200
    assert world.call(body["access_token"]).status_code == 200
    assert error_of(world.http.post(f"{world.issuer}/revoke", data={"token": body["access_token"]})) == "invalid_client"


def test_what_a_removed_changed_or_disabled_party_was_given_counts_no_more(world, made, body):
    oauth, auth = world.platform.oauth, world.platform.auth
    second = world.register("Second")
    tokens = world.tokens(second)
    with world.context():
        oauth.clients.update(made.client.client_id, client_name="Renamed")
        assert world.call(body["access_token"]).status_code == 200
        oauth.clients.update(made.client.client_id, scope="openid")
    assert refused(world, body["access_token"])
    assert error_of(world.refresh(made, body["refresh_token"])) == "invalid_grant"
    with world.context():
        oauth.clients.remove(second.client.client_id)
    assert refused(world, tokens["access_token"])
    third = world.register("Third")
    tokens = world.tokens(third)
    auth.users.disable(auth.users.find("kim@example.org").id)
    assert refused(world, tokens["access_token"])
    assert error_of(world.refresh(third, tokens["refresh_token"])) == "invalid_grant"


def test_who_is_no_member_any_more_has_no_tokens_any_more(world, made, body):
    kim = world.platform.auth.users.find("kim@example.org")
    with world.context():
        world.platform.auth.members.remove(kim.id)
    assert refused(world, body["access_token"])
    assert error_of(world.refresh(made, body["refresh_token"])) == "invalid_grant"


# -- introspection ---------------------------------------------------------------------------------------------------------


def test_a_service_learns_of_the_tokens_that_are_meant_for_it_and_of_no_others(world, made, body):
    """RFC 7662, 2.2 and 4."""
    gateway = world.register(
        "Gateway", audiences=[f"{world.issuer.partition('/oauth')[0]}/api"], redirect_uris=["https://g.example/cb"]
    )
    stranger = world.register("Stranger")
    found = world.post("introspect", gateway, token=body["access_token"]).json()
    assert found["active"] is True
    assert found["client_id"] == made.client.client_id
    assert found["scope"] == "openid offline_access entities.patient.read"
    assert found["token_type"] == "Bearer"
    for token in (body["access_token"], body["refresh_token"]):
        assert world.post("introspect", stranger, token=token).json() == {"active": False}
        assert world.post("introspect", made, token=token).json()["active"] is True
    world.post("revoke", made, token=body["access_token"])
    assert world.post("introspect", gateway, token=body["access_token"]).json() == {"active": False}
    assert world.post("introspect", gateway, token="invented").json() == {"active": False}
    public = world.register("Public", token_endpoint_auth_method="none")
    assert error_of(world.post("introspect", public, token=body["access_token"])) == "invalid_client"  # RFC 7662, 2.1


def test_the_api_tells_the_address_to_tokens_with_the_scope_email_only(world):
    """OpenID Connect Core, 5.4: what is told of a person is what the person allowed."""
    made = world.register()
    for scope, email in (("openid entities.patient.read", None), ("openid email entities.patient.read", "kim@example.org")):
        token = world.tokens(made, scope=scope)["access_token"]
        user = world.call(token, "/api/v1/auth/session").json()["data"]["user"]
        assert (user["email"], user["name"]) == (email, "Kim Ito")
