"""Programs: client credentials, signed assertions, certificates, and acting for a person who called."""

import base64
import datetime
import hmac

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from joserfc import jwk, jwt

from brickwork.errors import ValidationError
from brickwork.kernel.ids import uuid7

from .conftest import World, error_of

BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.fixture
def robot(world):
    """A client with a secret that acts as the service account "robot"."""
    world.service()
    return world.register("Robot", grant_types=["client_credentials"], service="robot", redirect_uris=[],
                          scope="entities.patient.* jobs.read")  # fmt: skip


@pytest.fixture
def key():
    return jwk.generate_key("EC", "P-256", {"kid": "k1", "alg": "ES256", "use": "sig"}, private=True)


@pytest.fixture
def signing(world, key):
    """A client that signs assertions, for itself as a client and for its service account."""
    world.service()
    return world.register(
        "Signer", grant_types=["client_credentials", BEARER], service="robot", redirect_uris=[], scope="entities.patient.read",
        token_endpoint_auth_method="private_key_jwt", jwks={"keys": [key.as_dict(private=False)]},
    )  # fmt: skip


def assertion(world, made, key, *, alg="ES256", kid="k1", typ="JWT", **changed):
    now = int(world.platform.clock.now().timestamp())
    id = made.client.client_id
    claims = {"iss": id, "sub": id, "aud": world.issuer, "iat": now, "exp": now + 60, "jti": str(uuid7()), **changed}
    return jwt.encode({"alg": alg, "kid": kid, "typ": typ}, {k: v for k, v in claims.items() if v is not None}, key, [alg])


def test_a_program_comes_in_its_own_name(world, robot):
    """RFC 6749, 4.4: no refresh token; the subject is the service account."""
    answer = world.post("token", robot, grant_type="client_credentials", scope="entities.patient.read")
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
    assert world.call(body["access_token"]).status_code == 200
    who = world.call(body["access_token"], "/api/v1/auth/session").json()["data"]
    assert (who["actor"], who["tenant"]) == ("service:robot", "alpha")


def test_it_may_ask_for_its_own_scopes_only(world, robot):
    """RFC 6749, 3.3."""
    for scope in ("entities.*.read", "openid", "offline_access", "*", "entities.patient.read jobs.write"):
        assert error_of(world.post("token", robot, grant_type="client_credentials", scope=scope)) == "invalid_scope"
    whole = world.post("token", robot, grant_type="client_credentials").json()
    assert whole["scope"] == "entities.patient.* jobs.read"
    headers = {"Authorization": f"Bearer {whole['access_token']}"}
    refused = world.http.post("/api/v1/entities/patient", json={"fields": {}}, headers=headers)
    assert refused.status_code == 403  # the scope has it, the service account has not


def test_a_disabled_service_gets_nothing_and_its_tokens_end_at_once(world, robot):
    token = world.post("token", robot, grant_type="client_credentials").json()["access_token"]
    assert world.call(token).status_code == 200
    with world.context():
        world.platform.auth.services.disable("robot")
    assert world.call(token).status_code == 401
    assert error_of(world.post("token", robot, grant_type="client_credentials")) == "invalid_grant"


def test_a_public_client_has_no_name_of_its_own(world):
    """RFC 6749, 4.4."""
    world.service()
    with pytest.raises(ValidationError, match="must show who it is"):
        world.register(grant_types=["client_credentials"], service="robot", token_endpoint_auth_method="none")
    with pytest.raises(ValidationError, match="service"):
        world.register(grant_types=["client_credentials"])
    with pytest.raises(ValidationError, match="no service"):
        world.register(grant_types=["client_credentials"], service="nobody")


# -- signed assertions -----------------------------------------------------------------------------------------------------


def by_assertion(world, shown):
    return world.http.post(f"{world.issuer}/token", data={"grant_type": "client_credentials", "client_assertion_type": ASSERTION,
                                                          "client_assertion": shown})  # fmt: skip


def test_a_client_signs_who_it_is(world, signing, key):
    """RFC 7523, 2.2; the audience is the issuer or the token endpoint (RFC 9126, 2, the note on audiences)."""
    for audience in (world.issuer, f"{world.issuer}/token", [world.issuer]):
        answer = by_assertion(world, assertion(world, signing, key, aud=audience))
        assert answer.status_code == 200, answer.text
    assert world.call(answer.json()["access_token"]).status_code == 200


def test_a_service_account_signs_for_a_token(world, signing, key):
    """RFC 7523, 2.1."""
    for subject in (signing.client.client_id, "service:robot"):
        shown = assertion(world, signing, key, sub=subject)
        answer = world.http.post(f"{world.issuer}/token", data={"grant_type": BEARER, "assertion": shown})
        assert answer.status_code == 200, answer.text
        assert world.call(answer.json()["access_token"]).status_code == 200
    shown = assertion(world, signing, key)
    form = {"grant_type": BEARER, "assertion": shown, "scope": "entities.patient.*"}
    assert error_of(world.http.post(f"{world.issuer}/token", data=form)) == "invalid_scope"


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "https://other.example/"}, {"aud": None}, {"aud": []}, {"aud": "http://127.0.0.1:8000/oauth/beta"},  # 3, rule 3
        {"sub": "service:root"}, {"sub": None}, {"iss": "nobody"}, {"iss": None}, {"iss": 7},  # 3, rules 1 and 2
        {"exp": 1}, {"exp": None}, {"exp": "soon"}, {"exp": 99999999999}, {"nbf": 99999999999},  # rules 4, 5
        {"iat": 99999999999},  # rule 6
        {"jti": None}, {"jti": ""}, {"jti": 7}, {"typ": "at+jwt"}, {"kid": "other"}, {"kid": "../k1"},
    ],
)  # fmt: skip
def test_an_assertion_that_is_not_in_order_is_refused(world, signing, key, changed):
    """RFC 7523, 3."""
    shown = assertion(world, signing, key, **changed)
    assert error_of(by_assertion(world, shown)) == "invalid_client"
    if changed != {"sub": None}:  # RFC 7523, 2.1, takes an assertion about the client itself
        answer = world.http.post(f"{world.issuer}/token", data={"grant_type": BEARER, "assertion": shown})
        assert (answer.status_code, answer.json()["error"] in ("invalid_grant", "invalid_client")) == (400, True), answer.text


def test_an_assertion_for_several_audiences_is_refused(world, signing, key):
    """RFC 7523, 3: whoever else it is for could show it here."""
    shown = assertion(world, signing, key, aud=[world.issuer, "https://evil.example"])
    assert error_of(by_assertion(world, shown)) == "invalid_client"


def test_an_assertion_counts_once(world, signing, key):
    """RFC 7523, 3: jti."""
    shown = assertion(world, signing, key)
    assert by_assertion(world, shown).status_code == 200
    assert error_of(by_assertion(world, shown)) == "invalid_client"
    assert error_of(world.http.post(f"{world.issuer}/token", data={"grant_type": BEARER, "assertion": shown})) == "invalid_grant"


def test_an_assertion_signed_by_others_or_by_a_shared_secret_is_refused(world, signing, key):
    """RFC 8725, 2.1."""
    other = jwk.generate_key("EC", "P-256", private=True)
    assert error_of(by_assertion(world, assertion(world, signing, other))) == "invalid_client"
    head, payload, _ = assertion(world, signing, key).split(".")
    swapped = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"k1"}').decode().rstrip("=") + f".{payload}"
    tag = hmac.digest(key.as_pem(private=False), swapped.encode(), "sha256")
    shown = f"{swapped}.{base64.urlsafe_b64encode(tag).decode().rstrip('=')}"
    assert error_of(by_assertion(world, shown)) == "invalid_client"
    none = base64.urlsafe_b64encode(b'{"alg":"none","kid":"k1"}').decode().rstrip("=")
    for token in (f"{none}.{payload}.", f"{head}.{payload}.", "x", "a.b.c", ""):
        assert error_of(by_assertion(world, token)) in ("invalid_client", "invalid_request")


def test_an_id_token_or_access_token_is_no_assertion(world, signing, robot):
    """RFC 8725, 2.8: a token of one kind taken for another."""
    token = world.post("token", robot, grant_type="client_credentials").json()["access_token"]
    assert error_of(by_assertion(world, token)) == "invalid_client"


def test_a_client_that_signs_can_not_come_with_a_secret_or_with_nothing(world, signing):
    id = signing.client.client_id
    for auth, form in (((id, "x"), {}), (None, {"client_id": id}), (None, {"client_id": id, "client_secret": "x"})):
        answer = world.http.post(f"{world.issuer}/token", data={"grant_type": "client_credentials", **form}, auth=auth)
        assert error_of(answer) == "invalid_client"


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"keys": []}, "one to twenty"),
        ({"keys": [{"kty": "oct", "k": "AAAA"}]}, "private or shared"),
        ({"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}, "can't be read"),
        ({"keys": [{"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"}]}, "ES256"),
        ({"keys": "x"}, "JWK set"),
    ],
)
def test_keys_that_can_not_sign_are_refused_at_registration(world, keys, told):
    with pytest.raises(ValidationError, match=told):
        world.register(token_endpoint_auth_method="private_key_jwt", jwks=keys)


def test_a_private_key_is_refused_at_registration_and_not_repeated(world, key):
    with pytest.raises(ValidationError, match="private or shared") as refused:
        world.register(token_endpoint_auth_method="private_key_jwt", jwks={"keys": [key.as_dict(private=True)]})
    assert key.as_dict(private=True)["d"] not in str(refused.value)


# -- certificates (RFC 8705) -----------------------------------------------------------------------------------------------


def certificate(name="robot.example"):
    own = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(own.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    signed = made.sign(own, hashes.SHA256())
    return own, signed


def header_of(signed):
    return {"client-cert": f":{base64.b64encode(signed.public_bytes(Encoding.DER)).decode()}:"}


@pytest.fixture
def guarded(make_platform):
    """A server behind a proxy that tells of client certificates."""
    made = World(make_platform(oauth={"client_cert_header": True}))
    with made.context():
        made.platform.entities.types.apply({"name": "patient", "fields": {"name": {"type": "text"}}})
    made.service()
    return made


def test_a_client_shows_a_certificate_and_its_tokens_count_with_that_only(guarded):
    """RFC 8705, 2.1 and 3."""
    _, signed = certificate()
    _, other = certificate("other.example")
    made = guarded.register(grant_types=["client_credentials"], service="robot", redirect_uris=[],
                            scope="entities.patient.read", token_endpoint_auth_method="tls_client_auth",
                            tls_client_auth_subject_dn="CN=robot.example")  # fmt: skip
    form = {"grant_type": "client_credentials", "client_id": made.client.client_id}
    address = f"{guarded.issuer}/token"
    for headers in ({}, header_of(other), {"client-cert": "junk"}, {"client-cert": ":AAAA:"}):
        assert error_of(guarded.http.post(address, data=form, headers=headers)) in ("invalid_client", "token_invalid")
    token = guarded.http.post(address, data=form, headers=header_of(signed)).json()["access_token"]
    assert guarded.call(token, **header_of(signed)).status_code == 200
    for headers in ({}, header_of(other)):
        assert guarded.call(token, **headers).status_code == 401


def test_a_self_signed_certificate_is_one_that_was_registered(guarded):
    """RFC 8705, 2.2: the same name on another key is another certificate."""
    own, signed = certificate()
    _, twin = certificate()
    pem = own.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    chain = [base64.b64encode(signed.public_bytes(Encoding.DER)).decode()]
    public = {**jwk.import_key(pem, "EC").as_dict(private=False), "x5c": chain}
    made = guarded.register(grant_types=["client_credentials"], service="robot", redirect_uris=[], scope="entities.patient.read",
                            token_endpoint_auth_method="self_signed_tls_client_auth", jwks={"keys": [public]})  # fmt: skip
    form = {"grant_type": "client_credentials", "client_id": made.client.client_id}
    assert error_of(guarded.http.post(f"{guarded.issuer}/token", data=form, headers=header_of(twin))) == "invalid_client"
    assert guarded.http.post(f"{guarded.issuer}/token", data=form, headers=header_of(signed)).status_code == 200


def test_without_the_setting_the_header_proves_nothing(world):
    """RFC 9440, 4: anybody may send it where no proxy removes it."""
    world.service()
    _, signed = certificate()
    made = world.register(grant_types=["client_credentials"], service="robot", redirect_uris=[],
                          scope="entities.patient.read", token_endpoint_auth_method="tls_client_auth",
                          tls_client_auth_subject_dn="CN=robot.example")  # fmt: skip
    form = {"grant_type": "client_credentials", "client_id": made.client.client_id}
    assert error_of(world.http.post(f"{world.issuer}/token", data=form, headers=header_of(signed))) == "invalid_client"


# -- token exchange (RFC 8693) ---------------------------------------------------------------------------------------------


@pytest.fixture
def billing(world):
    """A service that was called for a person and calls another."""
    world.service("billing", allow=("entities.patient.*",))
    return world.register("Billing", grant_types=[EXCHANGE, "client_credentials"], service="billing", redirect_uris=[],
                          scope="entities.patient.*")  # fmt: skip


def exchange(world, made, token, **changed):
    form = {"grant_type": EXCHANGE, "subject_token": token, "subject_token_type": ACCESS_TOKEN, **changed}
    return world.post("token", made, **{k: v for k, v in form.items() if v is not None})


def test_a_service_acts_for_the_person_who_called(world, billing):
    """RFC 8693, 2 and 4.1."""
    made = world.register()
    token = world.tokens(made, scope="openid entities.patient.*")["access_token"]
    body = exchange(world, billing, token, scope="entities.patient.read entities.patient.create").json()
    assert body["issued_token_type"] == ACCESS_TOKEN
    claims = world.post("introspect", billing, token=body["access_token"]).json()
    kim = world.platform.auth.users.find("kim@example.org")
    assert (claims["sub"], claims["act"]) == (kim.actor, {"sub": "service:billing"})
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    assert world.http.post("/api/v1/entities/patient", json={"fields": {"name": "Cy"}}, headers=headers).status_code == 201
    with world.context():
        actors = {entry.actor for entry in world.platform.audit.entries(entity="entity_record").items}
    assert f"{kim.actor} via service:billing" in actors
    world.post("revoke", made, token=token)  # the one token only; the grant decides over both
    [grant] = [one for one in grants_of(world) if one.client_id == made.client.client_id]
    with world.context():
        world.platform.oauth.grants.revoke(grant.id)
    assert world.call(body["access_token"]).status_code == 401


def grants_of(world):
    with world.context():
        return world.platform.oauth.grants.list()


def test_the_chain_of_who_acts_is_kept(world, billing):
    """RFC 8693, 4.1: nested actors."""
    world.service("archive", allow=("entities.patient.read",))
    archive = world.register(
        "Archive", grant_types=[EXCHANGE], service="archive", redirect_uris=[], scope="entities.patient.read"
    )
    token = world.tokens(world.register(), scope="entities.patient.read")["access_token"]
    second = exchange(world, billing, token).json()["access_token"]
    third = exchange(world, archive, second).json()["access_token"]
    claims = world.post("introspect", archive, token=third).json()
    assert claims["act"] == {"sub": "service:archive", "act": {"sub": "service:billing"}}
    assert claims["exp"] <= world.post("introspect", billing, token=second).json()["exp"]


def test_an_exchange_gives_no_more_than_was_shown(world, billing):
    """RFC 8693, 2.1 and 5: scope escalation."""
    token = world.tokens(world.register(), scope="openid entities.patient.read")["access_token"]
    for scope in ("entities.patient.delete", "entities.patient.*", "*", "openid", "jobs.read"):
        assert error_of(exchange(world, billing, token, scope=scope)) == "invalid_scope"
    assert error_of(exchange(world, billing, token, resource="https://evil.example")) == "invalid_target"


def test_what_can_not_be_exchanged_is_refused(world, billing, robot):
    made = world.register()
    body = world.tokens(made)
    own = world.post("token", robot, grant_type="client_credentials").json()["access_token"]
    other = World(world.platform, "beta", world.app)
    other.person()
    foreign = other.tokens(other.register())["access_token"]
    for token in (body["id_token"], body["refresh_token"], own, foreign, "invented", "a.b.c"):
        assert error_of(exchange(world, billing, token)) == "invalid_grant"
    token = body["access_token"]
    for changed in ({"subject_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, {"subject_token": None},
                    {"requested_token_type": "urn:ietf:params:oauth:token-type:saml2"}, {"actor_token": token}):  # fmt: skip
        assert error_of(exchange(world, billing, token, **changed)) == "invalid_request"
    assert error_of(exchange(world, made, token)) == "unauthorized_client"
    world.post("revoke", made, token=token)
    assert error_of(exchange(world, billing, token)) == "invalid_grant"
