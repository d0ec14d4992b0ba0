// The same server of others as an OpenID provider: authorization code flow with PKCE. Whoever comes is signed in as the
// person of FILE, with what is said of that person there; nobody is asked. `node sign_in.mjs PORT SETTINGS-FILE`.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import fs from 'node:fs';

const require = createRequire(`${process.cwd()}/package.json`);
const { Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));
const [port, file] = process.argv.slice(2);
const settings = () => JSON.parse(fs.readFileSync(file));

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: settings().clients,
  jwks: settings().jwks,
  claims: { openid: ['sub'], profile: ['preferred_username', 'groups'] },
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
  enabledJWA: { clientAuthSigningAlgValues: ['RS384', 'ES384'], idTokenSigningAlgValues: ['RS256', 'ES384'] },
  features: { devInteractions: { enabled: false } },
  cookies: { keys: ['of-the-test'] },
  interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id, ...settings().person }) }),
  loadExistingGrant: async (context) => {
    const grant = new provider.Grant({ clientId: context.oidc.client.clientId, accountId: context.oidc.session.accountId });
    grant.addOIDCScope('openid profile');
    await grant.save();
    return grant;
  },
});
provider.use(async (context, next) => {
  if (!context.path.startsWith('/interaction/')) return next();
  const said = settings().subject;
  const result = said ? { login: { accountId: said } } : { error: 'access_denied', error_description: 'no' };
  return provider.interactionFinished(context.req, context.res, result, { mergeWithLastSubmission: false });
});
provider.on('grant.error', (_context, error) => console.error(`${error.error}: ${error.error_detail ?? error.error_description}`));
provider.on('server_error', (_context, error) => console.error(error));
provider.listen(Number(port), '127.0.0.1', () => console.log('listening'));
