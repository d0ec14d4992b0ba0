// An authorization server of others (oidc-provider), set up as SMART Backend Services wants it: client_credentials with
// private_key_jwt (RS384, ES384), tokens for one audience. `node provider.mjs PORT JWKS-FILE ALGORITHM SECONDS`.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import fs from 'node:fs';

const require = createRequire(`${process.cwd()}/package.json`);
const { Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));
const [port, file, algorithm, seconds] = process.argv.slice(2);
const audience = 'https://payer.test/fhir';
const scope = 'system/Claim.c system/ClaimResponse.rs';

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: 'clinic', grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
    token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: algorithm,
    jwks: JSON.parse(fs.readFileSync(file)), scope,
  }],
  scopes: scope.split(' '),
  clientAuthMethods: ['private_key_jwt'],
  enabledJWA: { clientAuthSigningAlgValues: ['RS384', 'ES384'] },
  ttl: { ClientCredentials: Number(seconds) },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true, defaultResource: () => audience, useGrantedResource: () => true,
      getResourceServerInfo: () => ({ audience, scope, accessTokenFormat: 'jwt', accessTokenTTL: Number(seconds) }),
    },
  },
});
provider.on('grant.error', (_context, error) => console.error(`${error.error}: ${error.error_detail ?? error.error_description}`));
provider.listen(Number(port), '127.0.0.1', () => console.log('listening'));
