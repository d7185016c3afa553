// The flows by oauth4webapi, call by call, and what a client must refuse; what came of it goes to stdout as JSON.
import * as oauth from "oauth4webapi";
import { Browser } from "./browser.mjs";

const given = JSON.parse(process.argv[2]);
const options = { [oauth.allowInsecureRequests]: true };
const issuer = new URL(given.issuer);
const found = {};

const oidc = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options));
const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { ...options, algorithm: "oauth2" }));
found.same = JSON.stringify(oidc) === JSON.stringify(as);

const refused = async (run) => {
  try {
    await run();
    return "accepted";
  } catch (error) {
    return error.error ?? error.code ?? error.name;
  }
};
const bearer = (token) => new Request(given.api, { headers: { authorization: `Bearer ${token}` } });
const api = async (token) => (await oauth.protectedResourceRequest(token, "GET", new URL(given.api), undefined, undefined, options)).status;

// -- code, refresh, userinfo, revocation, introspection
const client = { client_id: given.web.id, id_token_signed_response_alg: "ES256" };
const proof = oauth.ClientSecretBasic(given.web.secret);
const verifier = oauth.generateRandomCodeVerifier();
const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
const parameters = {
  client_id: client.client_id, response_type: "code", redirect_uri: given.callback, state, nonce,
  scope: "openid email offline_access entities.patient.read",
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
};
const pushed = await oauth.processPushedAuthorizationResponse(as, client, await oauth.pushedAuthorizationRequest(as, client, proof, parameters, options));
const browser = new Browser(given.issuer, given.person);
const address = new URL(as.authorization_endpoint);
address.search = new URLSearchParams({ client_id: client.client_id, request_uri: pushed.request_uri }).toString();
const { left } = await browser.allow(address.href);
const mixed = new URL(left);
mixed.searchParams.set("iss", given.issuer.replace("alpha", "beta"));
found.mixed_up = await refused(() => oauth.validateAuthResponse(as, client, mixed, state)); // RFC 9207, 2.4
const bare = new URL(left);
bare.searchParams.delete("iss");
found.without_issuer = await refused(() => oauth.validateAuthResponse(as, client, bare, state));
found.other_state = await refused(() => oauth.validateAuthResponse(as, client, left, "other"));
const callback = oauth.validateAuthResponse(as, client, left, state);
const answer = await oauth.authorizationCodeGrantRequest(as, client, proof, callback, given.callback, verifier, options);
const tokens = await oauth.processAuthorizationCodeResponse(as, client, answer, { expectedNonce: nonce, requireIdToken: true });
await oauth.validateApplicationLevelSignature(as, answer, options);
const claims = oauth.getValidatedIdTokenClaims(tokens);
found.code = { api: await api(tokens.access_token), claims };
found.access_token = await oauth.validateJwtAccessToken(as, bearer(tokens.access_token), given.audience, options); // RFC 9068
found.id_token_as_access_token = await refused(() => oauth.validateJwtAccessToken(as, bearer(tokens.id_token), given.audience, options));
found.userinfo = await oauth.processUserInfoResponse(as, client, claims.sub, await oauth.userInfoRequest(as, client, tokens.access_token, options));
const refresh = async (token) => oauth.processRefreshTokenResponse(as, client, await oauth.refreshTokenGrantRequest(as, client, proof, token, options));
const second = await refresh(tokens.refresh_token);
const third = await refresh(second.refresh_token);
found.refresh = { api: await api(third.access_token), rotated: new Set([tokens, second, third].map((one) => one.refresh_token)).size };
found.reused = await refused(() => refresh(tokens.refresh_token));
found.after_reuse = await refused(() => refresh(third.refresh_token));
found.after_reuse_api = await refused(() => api(third.access_token));

// -- a device
const display = { client_id: given.display.id, id_token_signed_response_alg: "ES256" };
const begun = await oauth.processDeviceAuthorizationResponse(as, display, await oauth.deviceAuthorizationRequest(as, display, oauth.None(), { scope: "openid entities.patient.read" }, options));
const ask = async () => oauth.processDeviceCodeResponse(as, display, await oauth.deviceCodeGrantRequest(as, display, oauth.None(), begun.device_code, options));
found.pending = await refused(ask);
const page = await browser.fill(await browser.allow(begun.verification_uri_complete), {});
await browser.fill(page, { decision: "allow" });
found.device = await api((await ask()).access_token);

// -- a program that signs
const key = await crypto.subtle.importKey("jwk", given.signer.key, { name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
const signer = { client_id: given.signer.id };
const signed = oauth.PrivateKeyJwt({ key, kid: given.signer.key.kid });
const own = await oauth.processClientCredentialsResponse(as, signer, await oauth.clientCredentialsGrantRequest(as, signer, signed, { scope: "entities.patient.read" }, options));
found.assertion = await api(own.access_token);
found.introspection = await oauth.processIntrospectionResponse(as, signer, await oauth.introspectionRequest(as, signer, signed, own.access_token, options));
await oauth.processRevocationResponse(await oauth.revocationRequest(as, signer, signed, own.access_token, options));
found.revoked = (await oauth.processIntrospectionResponse(as, signer, await oauth.introspectionRequest(as, signer, signed, own.access_token, options))).active;

console.log(JSON.stringify(found));
