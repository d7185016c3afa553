// Every flow by openid-client, which checks answers and tokens itself; what came of it goes to stdout as JSON.
import * as client from "openid-client";
import { Browser } from "./browser.mjs";

const given = JSON.parse(process.argv[2]);
const insecure = { execute: [client.allowInsecureRequests] };
const issuer = new URL(given.issuer);
const found = {};
const discover = (one, proof, metadata) => client.discovery(issuer, one.id, { id_token_signed_response_alg: "ES256", ...metadata }, proof, insecure);
const api = async (config, token) => (await client.fetchProtectedResource(config, token, new URL(given.api), "GET")).status;

async function code(config, name, scope, { pushed = false, max_age } = {}) {
  const verifier = client.randomPKCECodeVerifier();
  const [state, nonce] = [client.randomState(), client.randomNonce()];
  const parameters = {
    redirect_uri: given.callback, scope, state, nonce,
    code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
    ...(max_age === undefined ? {} : { max_age: String(max_age) }),
  };
  const address = pushed
    ? await client.buildAuthorizationUrlWithPAR(config, parameters)
    : client.buildAuthorizationUrl(config, parameters);
  const { left } = await new Browser(given.issuer, given.person).allow(address.href);
  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true, maxAge: max_age };
  const tokens = await client.authorizationCodeGrant(config, left, checks);
  found[name] = { scope: tokens.scope, claims: tokens.claims(), api: await api(config, tokens.access_token) };
  return tokens;
}

const web = await discover(given.web, client.ClientSecretBasic(given.web.secret));
const all = "openid profile email offline_access entities.patient.read";
const tokens = await code(web, "code", all, { max_age: 300 });
const sub = tokens.claims().sub;
found.userinfo = await client.fetchUserInfo(web, tokens.access_token, sub);
const second = await client.refreshTokenGrant(web, tokens.refresh_token);
found.refresh = { api: await api(web, second.access_token), rotated: second.refresh_token !== tokens.refresh_token };
found.introspection = await client.tokenIntrospection(web, second.access_token);
await client.tokenRevocation(web, second.access_token);
found.revoked = (await client.tokenIntrospection(web, second.access_token)).active;
found.end_session = client.buildEndSessionUrl(web, { id_token_hint: tokens.id_token }).href;

await code(await discover(given.web, client.ClientSecretPost(given.web.secret)), "pushed", all, { pushed: true });
await code(await discover(given.spa, client.None()), "public", "openid entities.patient.read");
await code(await discover(given.rsa, client.ClientSecretBasic(given.rsa.secret), { id_token_signed_response_alg: "RS256" }), "rsa", "openid entities.patient.read");
await code(await discover(given.edwards, client.ClientSecretBasic(given.edwards.secret), { id_token_signed_response_alg: "Ed25519" }), "edwards", "openid entities.patient.read");

const robot = await discover(given.robot, client.ClientSecretBasic(given.robot.secret));
const own = await client.clientCredentialsGrant(robot, { scope: "entities.patient.read" });
found.credentials = await api(robot, own.access_token);

const key = await crypto.subtle.importKey("jwk", given.signer.key, { name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
const signer = await discover(given.signer, client.PrivateKeyJwt({ key, kid: given.signer.key.kid }));
found.assertion = await api(signer, (await client.clientCredentialsGrant(signer)).access_token);

const exchanged = await client.genericGrantRequest(robot, "urn:ietf:params:oauth:grant-type:token-exchange", {
  subject_token: tokens.access_token,
  subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
  scope: "entities.patient.read",
});
found.exchange = { api: await api(robot, exchanged.access_token), claims: await client.tokenIntrospection(robot, exchanged.access_token) };

const display = await discover(given.display, client.None());
const device = await client.initiateDeviceAuthorization(display, { scope: "openid entities.patient.read" });
const browser = new Browser(given.issuer, given.person);
const entered = await browser.fill(await browser.allow(device.verification_uri_complete), {});
await browser.fill(entered, { decision: "allow" });
const shown = await client.pollDeviceAuthorizationGrant(display, device);
found.device = { api: await api(display, shown.access_token), claims: shown.claims() };

const registered = await client.dynamicClientRegistration(
  issuer, { redirect_uris: [given.callback], client_name: "Self", scope: "openid entities.patient.read", id_token_signed_response_alg: "ES256" },
  undefined, { initialAccessToken: given.registrar, ...insecure },
);
await code(registered, "registered", "openid entities.patient.read");

console.log(JSON.stringify(found));
