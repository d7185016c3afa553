// A foreign OpenID Connect provider for tests: npm's oidc-provider with its own sign-in and consent pages.
// argv[2] is a JSON object: issuer, port, client, accounts (claims by subject), jwks (private keys; left out, new ones are made).
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const options = JSON.parse(process.argv[2]);
const require = createRequire(pathToFileURL(`${options.modules}/`));
const { Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));

const { privateKey } = generateKeyPairSync(options.kty === 'EC' ? 'ec' : 'rsa', { modulusLength: 2048, namedCurve: 'P-256' });
const key = { ...privateKey.export({ format: 'jwk' }), kid: options.kid, use: 'sig', alg: options.kty === 'EC' ? 'ES256' : 'RS256' };

const provider = new Provider(options.issuer, {
  clients: [options.client],
  jwks: { keys: [key] },
  cookies: { keys: ['only for tests'] },
  claims: { email: ['email', 'email_verified'], profile: ['name'] },
  conformIdTokenClaims: options.conform ?? true,
  features: { backchannelLogout: { enabled: true }, devInteractions: { enabled: true } },
  findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, ...options.accounts[sub] }) }),
});
createServer(provider.callback()).listen(options.port, () => console.log('ready'));
