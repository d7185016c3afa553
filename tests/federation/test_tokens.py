"""What is refused of a provider's tokens and answers; section numbers are those of OpenID Connect Core 1.0 unless said otherwise.
The provider is a small one in Python, since a real one can't be made to do these things."""

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import OctKey, RSAKey

from brickwork.errors import NotFoundError, ValidationError
from brickwork.federation import AccountNeededError, FederationRefusedError

from .conftest import unsigned


@pytest.fixture
def tried(lone_attempt):
    """An attempt whose good token leads to "no account here": everything before that was found in order."""
    made = lone_attempt()
    with pytest.raises(AccountNeededError):
        made.sign_in()
    return made


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"iss": "https://evil.example"}, "iss"),  # 3.1.3.7, 2
        ({"aud": "another"}, "aud"),  # 3
        ({"aud": ["brickwork", "another"], "azp": "brickwork"}, "aud"),  # 3
        ({"azp": "another"}, "azp"),  # 5
        ({"exp": 1_000_000}, "expired"),  # 9
        ({"exp": None}, "exp"),
        ({"exp": True}, "exp"),
        ({"iat": 1_000_000}, "long ago"),  # 10
        ({"iat": 99_999_999_999}, "future"),
        ({"iat": "now"}, "iat"),
        ({"nbf": 99_999_999_999}, "nbf"),
        ({"nonce": "another"}, "nonce"),  # 11
        ({"nonce": None}, "nonce"),
        ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "at_hash"),  # 3.1.3.8
        ({"sub": None}, "sub"),
        ({"sub": "x" * 256}, "sub"),
        ({"sub": 7}, "sub"),
    ],
)
def test_claims_that_are_not_this_sign_ins_are_refused(tried, changes, told):
    with pytest.raises(FederationRefusedError, match=told):
        tried.sign_in(**changes)


def test_an_access_token_that_goes_with_the_id_token_is_taken(tried):
    at_hash = base64.urlsafe_b64encode(hashlib.sha256(b"at").digest()[:16]).rstrip(b"=").decode()
    with pytest.raises(AccountNeededError):
        tried.sign_in(at_hash=at_hash)


def test_clocks_may_differ_by_a_minute(tried):
    now = int(tried.platform.clock.now().timestamp())
    with pytest.raises(AccountNeededError):
        tried.sign_in(iat=now + 50, exp=now - 30)
    with pytest.raises(FederationRefusedError):
        tried.sign_in(exp=now - 70)


def test_a_token_without_signature_is_refused(tried):
    """RFC 8725, 3.1."""
    with pytest.raises(FederationRefusedError, match="alg"):
        tried.sign_in(token=lambda one: unsigned(one.claims()))


def test_a_public_key_is_no_shared_secret(tried, odd):
    """RFC 8725, 2.1: RS256 turned into HS256, with the published key as the secret."""
    secret = OctKey.import_key(odd.key.as_pem(private=False).decode().replace("-----", "-"))
    with pytest.raises(FederationRefusedError, match="alg"):
        tried.sign_in(token=lambda one: odd.sign(one.claims(), secret))


def test_another_key_under_a_known_name_is_refused(tried, odd):
    other = RSAKey.generate_key(2048)
    with pytest.raises(FederationRefusedError, match="signature"):
        tried.sign_in(token=lambda one: odd.sign(one.claims(), other))


def test_a_key_that_the_token_brings_is_not_looked_at(tried, odd):
    """RFC 8725, 3.10."""
    other = RSAKey.generate_key(2048)
    brought = {"jwk": other.as_dict(private=False), "jku": odd.issuer + "/evil"}
    with pytest.raises(FederationRefusedError, match="signature"):
        tried.sign_in(token=lambda one: odd.sign(one.claims(), other, **brought))
    assert "/evil" not in odd.calls


def test_a_payload_that_was_changed_is_refused(tried, odd):
    def tampered(one):
        head, _, tail = odd.sign(one.claims()).split(".")
        other = odd.sign(one.claims(sub="somebody else")).split(".")[1]
        return f"{head}.{other}.{tail}"

    with pytest.raises(FederationRefusedError, match="signature"):
        tried.sign_in(token=tampered)


@pytest.mark.parametrize("token", [None, "", "x.y.z", "a.b", 7, {"x": 1}, "x" * 70_000, "W10.W10.x", "bnVsbA.e30.x"])
def test_what_is_no_token_is_refused(tried, odd, token):
    tried.begin()
    odd.answer(token)
    with pytest.raises(FederationRefusedError):
        tried.complete()


def test_a_short_key_is_refused(lone_attempt, odd):
    """RFC 7518, 3.3."""
    numbers = rsa.generate_private_key(65537, 1024).public_key().public_numbers()
    n = base64.urlsafe_b64encode(numbers.n.to_bytes(128, "big")).rstrip(b"=").decode()
    odd.documents["/keys"] = {"keys": [{"kty": "RSA", "kid": "one", "n": n, "e": "AQAB"}]}
    with pytest.raises(FederationRefusedError, match="2048"):
        lone_attempt().sign_in()


def test_a_key_for_encryption_does_not_sign(lone_attempt, odd):
    odd.documents["/keys"]["keys"][0]["use"] = "enc"
    with pytest.raises(FederationRefusedError, match="no key"):
        lone_attempt().sign_in()


def test_without_a_key_id_there_must_be_one_key_only(lone_attempt, odd):
    """10.1."""
    one = lone_attempt()
    with pytest.raises(AccountNeededError):
        one.sign_in(token=lambda it: odd.sign(it.claims(), kid=None))
    odd.publish(odd.key, RSAKey.generate_key(2048, {"kid": "two"}))
    other = lone_attempt()
    with pytest.raises(FederationRefusedError, match="no key"):
        other.sign_in(token=lambda it: odd.sign(it.claims(), kid=None))


def test_a_new_key_is_fetched_and_an_unknown_one_not_without_end(tried, odd):
    fresh = RSAKey.generate_key(2048, {"kid": "fresh"})
    odd.publish(odd.key, fresh)
    with pytest.raises(AccountNeededError):
        tried.sign_in(token=lambda one: odd.sign(one.claims(), fresh, kid="fresh"))
    odd.calls.clear()
    for number in range(12):
        with pytest.raises(FederationRefusedError, match="no key"):
            tried.sign_in(token=lambda one, kid=f"invented-{number}": odd.sign(one.claims(), fresh, kid=kid))
    assert odd.calls.count("/keys") <= 5
    assert odd.calls.count("/.well-known/openid-configuration") == 0


# -- the answer at the callback -------------------------------------------------------------------------------------------


def test_the_request_has_pkce_state_nonce_and_the_address_to_come_back_to(tried):
    tried.begin(next="/patients?ward=3")
    asked = tried.asked
    assert (asked["response_type"], asked["code_challenge_method"], asked["client_id"]) == ("code", "S256", "brickwork")
    assert len(asked["code_challenge"]) == 43
    assert asked["redirect_uri"] == "http://localhost:8000/federation/odd/callback"
    assert "patients" not in tried.begun.url


def test_the_verifier_is_sent_with_the_code_and_fits_the_challenge(tried, odd):
    from authlib.oauth2.rfc7636 import create_s256_code_challenge

    with pytest.raises(AccountNeededError):
        tried.sign_in()
    assert create_s256_code_challenge(odd.form["code_verifier"][0]) == tried.asked["code_challenge"]


def test_a_state_is_good_once(tried, odd):
    tried.begin()
    odd.answer(odd.sign(tried.claims()))
    with pytest.raises(AccountNeededError):
        tried.complete()
    with pytest.raises(FederationRefusedError, match="begin anew"):
        tried.complete()


@pytest.mark.parametrize("state", ["", "bwf_invented", None])
def test_an_invented_state_is_refused(tried, state):
    tried.begin()
    with pytest.raises(FederationRefusedError, match="begin anew"):
        tried.complete(state=state)


def test_a_state_is_good_in_the_browser_that_it_was_begun_in(tried, odd):
    """Login CSRF (RFC 6819, 4.4.1.8): somebody leads another to the callback with a code of their own."""
    tried.begin()
    mine, browser = tried.begun, tried.begun.browser
    tried.begin()
    odd.answer(odd.sign(tried.claims()))
    tried.begun = type(mine)(mine.url, mine.state, tried.begun.browser)
    assert tried.begun.browser != browser
    with pytest.raises(FederationRefusedError, match="begin anew"):
        tried.complete()


def test_a_browser_may_have_several_sign_ins_under_way(tried, odd):
    first = tried.begin()
    nonce = tried.nonce
    second = tried.begin(browser=first.browser)
    assert second.browser == first.browser
    tried.begun, tried.nonce = first, nonce
    odd.answer(odd.sign(tried.claims()))
    with pytest.raises(AccountNeededError):
        tried.complete()


def test_a_sign_in_that_takes_too_long_is_over(lone_attempt, odd, frozen_clock):
    one = lone_attempt(clock=frozen_clock)
    one.begin()
    frozen_clock.advance(minutes=11)
    odd.answer(odd.sign(one.claims()))
    with pytest.raises(FederationRefusedError, match="too old"):
        one.complete()


@pytest.mark.parametrize("issuer", [None, "https://evil.example"])
def test_an_answer_of_another_issuer_is_refused(tried, odd, issuer):
    """RFC 9207, 2.4."""
    tried.begin()
    odd.answer(odd.sign(tried.claims()))
    odd.form = None
    with pytest.raises(FederationRefusedError, match="answer"):
        tried.complete(iss=issuer)
    assert odd.form is None, "no code may go out"


def test_who_says_no_at_the_provider_is_told_so(tried):
    tried.begin()
    with pytest.raises(FederationRefusedError, match="access_denied"):
        tried.complete(code=None, error="access_denied")


def test_an_answer_without_code_is_refused(tried):
    tried.begin()
    with pytest.raises(FederationRefusedError, match="no code"):
        tried.complete(code=None)


def test_user_info_of_another_person_is_refused(lone_attempt, odd):
    """5.3.2."""
    odd.metadata(userinfo_endpoint=odd.issuer + "/me")
    odd.documents["/me"] = {"sub": "somebody else", "email": "chief@example.org", "email_verified": True}
    with pytest.raises(FederationRefusedError, match="another person"):
        lone_attempt().sign_in(email=None)


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "evil", "", "/a\nb", "/\t/evil.example",
        "javascript:alert(1)", "/" + "a" * 2001,
    ],
)  # fmt: skip
def test_next_leads_to_a_page_of_this_site_only(tried, path):
    with pytest.raises(ValidationError, match="path of this site"):
        tried.begin(next=path)


def test_there_are_the_providers_that_settings_name(tried):
    with pytest.raises(NotFoundError):
        tried.platform.federation.begin("unknown")
