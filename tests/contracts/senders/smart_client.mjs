// npm oauth4webapi as a SMART Backend Services client, on Node's own cryptography and fetch:
// node smart_client.mjs MODULES FHIR_BASE CLIENT ALGORITHM KID KEY_FILE SCOPE RESOURCE_FILE
// Finds the token address, asks for a token, sends the resource with it, then asks again with the same assertion.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
const [, , modules, base, client_id, algorithm, kid, keyFile, scope, file] = process.argv;
const oauth = await import(pathToFileURL(createRequire(modules + '/').resolve('oauth4webapi')).href);
const der = Buffer.from(fs.readFileSync(keyFile, 'utf8').replace(/-----[^-]+-----|\s/g, ''), 'base64');
const kinds = {
  ES384: { name: 'ECDSA', namedCurve: 'P-384' },
  RS384: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-384' },
};
const key = await crypto.subtle.importKey('pkcs8', der, kinds[algorithm], false, ['sign']);
const configuration = await (await fetch(base + '/.well-known/smart-configuration')).json();
const server = { issuer: new URL(base).origin, token_endpoint: configuration.token_endpoint };
let sent;
const signed = oauth.PrivateKeyJwt({ key, kid }, {
  [oauth.modifyAssertion]: (_header, payload) => { payload.aud = server.token_endpoint; },
});
const remembering = (...said) => fetch(...said).then((answer) => { sent = said[1].body; return answer; });
const client = { client_id };
const response = await oauth.clientCredentialsGrantRequest(server, client, signed, { scope }, { [oauth.customFetch]: remembering });
const token = await oauth.processClientCredentialsResponse(server, client, response);
const body = fs.readFileSync(file, 'utf8');
const answer = await oauth.protectedResourceRequest(token.access_token, 'POST',
  new URL(`${base}/${JSON.parse(body).resourceType}`), new Headers({ 'content-type': 'application/fhir+json' }), body);
let denied;
try {
  await oauth.protectedResourceRequest(token.access_token, 'GET', new URL(`${base}/Claim/1`));
} catch (error) {
  denied = { status: error.status, says: error.cause?.[0]?.parameters?.error };
}
const again = await fetch(server.token_endpoint, { method: 'POST', body: sent });
console.log(JSON.stringify({
  scope: token.scope, seconds: token.expires_in, status: answer.status, location: answer.headers.get('location'), denied,
  again: [again.status, (await again.json()).error],
}));
