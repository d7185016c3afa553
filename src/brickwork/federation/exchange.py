"""The authorization code flow with PKCE (OpenID Connect Core 1.0, 3.1; RFC 7636), with Authlib as the client."""

from collections.abc import Mapping
from datetime import datetime

from brickwork.federation.attempts import Attempt
from brickwork.federation.discovery import Directory, Metadata
from brickwork.federation.errors import FederationRefusedError, ProviderUnavailableError
from brickwork.federation.provider import TEMPLATE, Provider
from brickwork.federation.tokens import Claims, check_id_token, check_logout_token


class Exchange:
    """The dealings with one provider."""

    def __init__(self, provider: Provider, directory: Directory, redirect_uri: str) -> None:
        self._provider = provider
        self._directory = directory
        self._redirect_uri = redirect_uri

    def authorization_url(self, state: str, attempt: Attempt) -> str:
        """Where the browser is to go."""
        endpoint = self._directory.metadata().authorization_endpoint
        with self._directory.client(redirect_uri=self._redirect_uri) as client:
            url, _ = client.create_authorization_url(endpoint, state, attempt.verifier, nonce=attempt.nonce)
        return str(url)

    def redeem(self, parameters: Mapping[str, str], attempt: Attempt, now: datetime, oldest: float) -> Claims:
        """The claims of the ID token that the callback's code is good for."""
        metadata = self._directory.metadata()
        self._check_issuer(metadata, parameters.get("iss"))
        if "error" in parameters:
            raise FederationRefusedError(f"the provider let nobody in: {_plain(parameters['error'])}")
        if not parameters.get("code"):
            raise FederationRefusedError("the provider sent no code")
        answer = self._fetch(metadata, parameters["code"], attempt)
        claims = check_id_token(
            answer.get("id_token"), self._provider, self._directory.keys, self._directory.fresh_keys,
            nonce=attempt.nonce, now=now, oldest=oldest, access_token=answer.get("access_token"),
        )  # fmt: skip
        if parameters.get("iss", claims["iss"]) != claims["iss"]:
            raise FederationRefusedError("the answer is another issuer's than the token")
        return self._completed(metadata, claims, answer.get("access_token"))

    def read_logout(self, token: str, now: datetime) -> Claims:
        """The claims of a logout token."""
        return check_logout_token(token, self._provider, self._directory.keys, self._directory.fresh_keys, now=now)

    def _check_issuer(self, metadata: Metadata, issuer: str | None) -> None:
        """RFC 9207, 2.4: who says that answers name their issuer must do so, and whoever names one must be it; otherwise a code
        could be carried to another provider (mix-up)."""
        if issuer is None and metadata.authorization_response_iss_parameter_supported:
            raise FederationRefusedError("the answer doesn't say whose it is, though this provider's do")
        if issuer is not None and TEMPLATE not in self._provider.issuer and issuer != self._provider.issuer:
            raise FederationRefusedError("the answer is another issuer's")

    def _fetch(self, metadata: Metadata, code: str, attempt: Attempt) -> Mapping[str, object]:
        method = self._method(metadata)
        opened = self._directory.client(redirect_uri=self._redirect_uri, token_endpoint_auth_method=method)
        import httpx2
        from authlib.integrations.base_client import OAuthError

        with opened as client:
            try:
                answer: Mapping[str, object] = client.fetch_token(
                    metadata.token_endpoint, grant_type="authorization_code", code=code, code_verifier=attempt.verifier
                )
            except OAuthError as error:
                raise FederationRefusedError(f"the provider doesn't take the code: {_plain(str(error.error))}") from None
            except (httpx2.HTTPError, ValueError, TypeError) as error:
                raise ProviderUnavailableError(
                    f"the provider {self._provider.name!r} can't be used now: {metadata.token_endpoint}: {_plain(str(error))}"
                ) from None
        return answer

    def _completed(self, metadata: Metadata, claims: Claims, access_token: object) -> Claims:
        """The claims, with those that the provider keeps for the user info endpoint, which are about the same person or worth
        nothing (Core, 5.3.2)."""
        url = metadata.userinfo_endpoint
        if "email" in claims or url is None or not isinstance(access_token, str) or not access_token.isprintable():
            return claims
        told = self._directory.user_info(url, access_token)
        if told.get("sub") != claims["sub"]:
            raise FederationRefusedError("the user info is another person's")
        return {**told, **claims}

    def _method(self, metadata: Metadata) -> str:
        """How the client shows who it is; basic is what every provider takes unless it says otherwise (Discovery 1.0, 3)."""
        if self._provider.settings.client_secret is None:
            return "none"
        known = metadata.token_endpoint_auth_methods_supported
        return "client_secret_post" if "client_secret_basic" not in known else "client_secret_basic"


def _plain(text: str) -> str:
    """Text from outside, fit to be shown."""
    return "".join(letter for letter in text if letter.isprintable())[:200]
