/**
 * Passkeys of a brickwork server, in a page of the product. Types are in brickwork-passkeys.d.ts.
 *
 *     import { available, register, signIn } from "/passkeys/brickwork-passkeys.js";
 *     await register("Ito's phone");
 *     const session = await signIn();
 *
 * A refusal of the server's is thrown as an Error with its `code` ("sign_in_again", "unauthenticated", …); where the person gives
 * up, the browser's own NotAllowedError comes through.
 */
export const available = () => typeof PublicKeyCredential?.parseRequestOptionsFromJSON === "function";

export async function register(name, options = {}) {
  const asked = await call(options, "/registration");
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(asked);
  const made = await navigator.credentials.create({ publicKey, signal: options.signal });
  return call(options, "", { name, response: made.toJSON() });
}

export async function signIn(options = {}) {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(await call(options, "/challenge"));
  const mediation = options.autofill ? "conditional" : "optional";
  const shown = await navigator.credentials.get({ publicKey, mediation, signal: options.signal });
  const { tenant = null, cookie = true } = options;
  return call(options, "/session", { response: shown.toJSON(), tenant, cookie });
}

async function call({ api = "/api/v1", token }, path, body) {
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const request = { method: "POST", headers, body: body && JSON.stringify(body), credentials: "same-origin" };
  const answer = await fetch(`${api}/auth/passkeys${path}`, request);
  const { data, errors } = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(errors[0].message), { code: errors[0].code, status: answer.status });
  return data;
}
