// npm @medplum/hl7, which sends without waiting: node medplum.mjs MODULES PORT FILE COUNT. FILE holds CONTROL for MSH-10.
// Version 4.5.2 loses an answer when two come in one read; like its users it then sends again. Prints what it got.
import fs from 'node:fs';
import { createRequire } from 'node:module';
const [, , modules, port, file, count] = process.argv;
const load = createRequire(modules + '/');
const { Hl7Client } = load('@medplum/hl7');
const { Hl7Message } = load('@medplum/core');
const text = fs.readFileSync(file, 'utf8').trimEnd();
const client = new Hl7Client({ host: '127.0.0.1', port: Number(port), keepAlive: true, connectTimeout: 3000 });
const codes = {};
let again = 0;
async function told(control) {
  for (let attempt = 0; attempt < 10; attempt++) {
    try {
      const answer = await client.sendAndWait(Hl7Message.parse(text.replaceAll('CONTROL', control)), { timeoutMs: 1500 });
      const msa = answer.getSegment('MSA');
      if (msa.getField(2).toString() !== control) throw new Error('another message was answered');
      return msa.getField(1).toString();
    } catch (error) {
      if (!/time/i.test(error.message)) throw error;
      again++;
    }
  }
  return 'none';
}
await Promise.all([...Array(Number(count)).keys()].map(async (number) => {
  const code = await told('MP' + number);
  codes[code] = (codes[code] ?? 0) + 1;
}));
console.log(JSON.stringify({ codes, again }));
process.exit(0);
