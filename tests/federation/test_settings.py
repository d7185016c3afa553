"""Providers as settings describe them.

The presets' own servers (Google, Microsoft, a Keycloak) can't be reached from here: what is tested of them is which issuer,
document, origins and claims each preset stands for, and the issuer rule of Microsoft's template.
"""

import pytest

from brickwork import Platform
from brickwork.errors import SettingsError
from brickwork.federation.provider import provider_of
from brickwork.federation.settings import ProviderSettings

A, B = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"


def provider(**settings):
    return provider_of("one", ProviderSettings(client_id="c", **settings))


def test_google_is_found_at_its_issuer_and_tells_organisations_by_hd():
    google = provider(preset="google", create="verified-email-domain", domains=["Example.org"], tenants=["alpha"])
    assert google.discovery == "https://accounts.google.com/.well-known/openid-configuration"
    assert "https://oauth2.googleapis.com:443" in google.origins
    assert google.has_verified({"email_verified": True})
    assert google.has_domain({"hd": "example.org"}, "kim@example.org")
    assert not google.has_domain({}, "kim@example.org"), "a private account with an address of the organisation's"
    assert not google.has_domain({"hd": "example.org"}, "kim@elsewhere.example")


def test_keycloak_is_found_by_server_and_realm():
    keycloak = provider(preset="keycloak", server="https://keycloak.example.org/", realm="staff")
    assert keycloak.issuer == "https://keycloak.example.org/realms/staff"
    assert keycloak.discovery == "https://keycloak.example.org/realms/staff/.well-known/openid-configuration"
    assert keycloak.origins == {"https://keycloak.example.org:443"}


def test_microsofts_addresses_are_verified_by_its_own_claim_only():
    microsoft = provider(preset="microsoft")
    assert not microsoft.has_verified({"email": "kim@example.org", "email_verified": True})
    assert microsoft.has_verified({"email": "kim@example.org", "xms_edov": True})


def test_microsofts_template_takes_the_issuer_of_the_tokens_own_directory_only():
    microsoft = provider(preset="microsoft", directory="common")
    assert microsoft.discovery == "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration"
    assert microsoft.is_issuer(f"https://login.microsoftonline.com/{A}/v2.0", {"tid": A})
    assert not microsoft.is_issuer(f"https://login.microsoftonline.com/{A}/v2.0", {"tid": B})
    assert not microsoft.is_issuer(f"https://login.microsoftonline.com/{A}/v2.0", {})
    assert not microsoft.is_issuer("https://login.microsoftonline.com/{tenantid}/v2.0", {})
    assert not microsoft.is_issuer("https://evil.example/v2.0", {"tid": A})


def test_microsoft_lets_in_the_directories_that_are_listed():
    microsoft = provider(preset="microsoft", directories=[A])
    assert microsoft.is_issuer(f"https://login.microsoftonline.com/{A}/v2.0", {"tid": A})
    assert not microsoft.is_issuer(f"https://login.microsoftonline.com/{B}/v2.0", {"tid": B})


def test_a_key_of_microsofts_signs_for_its_own_directory_only():
    microsoft = provider(preset="microsoft")
    claims = {"tid": A, "iss": f"https://login.microsoftonline.com/{A}/v2.0"}
    assert microsoft.is_key_of({"issuer": "https://login.microsoftonline.com/{tenantid}/v2.0"}, claims)
    assert not microsoft.is_key_of({"issuer": f"https://login.microsoftonline.com/{B}/v2.0"}, claims)


def test_one_directory_of_microsofts_has_an_issuer_of_its_own():
    assert provider(preset="microsoft", directory=A).issuer == f"https://login.microsoftonline.com/{A}/v2.0"
    assert provider(preset="microsoft", directory="consumers").issuer.endswith("/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "either a preset or an issuer"),
        ({"preset": "google", "issuer": "https://x.example"}, "either a preset or an issuer"),
        ({"issuer": "http://login.example.org"}, "https"),
        ({"issuer": "https://a:b@login.example.org"}, "https"),
        ({"preset": "keycloak", "server": "https://x.example"}, "needs both"),
        ({"preset": "microsoft", "directory": "example.org/../x"}, "id of a directory"),
        ({"issuer": "https://x.example", "create": "verified-email-domain", "domains": ["x.example"]}, "tenants"),
        ({"issuer": "https://x.example", "create": "anybody"}, "verified-email-domain"),
        ({"issuer": "https://x.example", "scopes": ["email"]}, "openid"),
        ({"issuer": "https://x.example", "algorithms": ["none"]}, "RS256"),
        ({"issuer": "https://x.example", "algorithms": ["HS256"]}, "RS256"),
        ({"issuer": "https://x.example", "origins": ["http://10.0.0.1"]}, "https"),
    ],
)
def test_settings_that_would_not_be_safe_stop_the_start(settings, told):
    with pytest.raises(SettingsError, match=told):
        Platform(settings={"federation": {"base_url": "https://a.example", "providers": {"x": {"client_id": "c", **settings}}}})


def test_providers_need_an_address_to_lead_back_to():
    with pytest.raises(SettingsError, match="base_url is needed"):
        Platform(settings={"federation": {"providers": {"x": {"client_id": "c", "preset": "google"}}}})


def test_a_secret_is_not_shown():
    federation = {
        "base_url": "https://a.example",
        "providers": {"x": {"client_id": "c", "client_secret": "hush", "preset": "google"}},
    }
    with Platform(settings={"federation": federation}) as platform:
        assert "hush" not in repr(platform.settings)
        assert "hush" not in str(platform.settings.model_dump(mode="json"))


def test_a_secret_comes_from_the_environment_to_the_provider_in_the_file(tmp_path, monkeypatch):
    file = tmp_path / "brickwork.toml"
    file.write_text(
        '[federation]\nbase_url = "https://a.example"\n[federation.providers.google]\npreset = "google"\nclient_id = "c"\n'
    )
    monkeypatch.setenv("BRICKWORK_FEDERATION__PROVIDERS__GOOGLE__CLIENT_SECRET", "hush")
    with Platform.from_settings(file) as platform:
        (one,) = platform.federation.providers()
    assert one.settings.client_id == "c"
    assert one.settings.client_secret.get_secret_value() == "hush"
