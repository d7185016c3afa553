// A foreign OpenID Connect provider for tests: npm's oidc-provider with its own sign-in and consent pages.
// argv[2] is a JSON object: modules (the folder of node_modules), issuer, port, kid (of its key), client, accounts (claims by
// subject) and conform (whether claims are told by the user info endpoint only).
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const options = JSON.parse(process.argv[2]);
const require = createRequire(pathToFileURL(`${options.modules}/`));
const { Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const key = { ...privateKey.export({ format: 'jwk' }), kid: options.kid, use: 'sig', alg: 'RS256' };

const provider = new Provider(options.issuer, {
  clients: [options.client],
  jwks: { keys: [key] },
  cookies: { keys: ['only for tests'] },
  claims: { email: ['email', 'email_verified'], profile: ['name'] },
  conformIdTokenClaims: options.conform,
  features: { backchannelLogout: { enabled: true }, devInteractions: { enabled: true } },
  // it calls back to this machine, which it would otherwise not do
  fetch: (url, { dispatcher: _, ...request }) => fetch(url, request),
  findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, ...options.accounts[sub] }) }),
});
provider.on('backchannel.error', (_, error) => console.log('logout was not taken:', error));
createServer(provider.callback()).listen(options.port, () => console.log('ready'));
