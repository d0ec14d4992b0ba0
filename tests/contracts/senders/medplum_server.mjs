// npm @medplum/hl7 as a receiver, as its agent runs it: node medplum_server.mjs MODULES. Prints its port, then of each message
// its type, control id and document number.
import { createRequire } from 'node:module';
const [, , modules] = process.argv;
const load = createRequire(modules + '/');
const { Hl7Server } = load('@medplum/hl7');
const server = new Hl7Server((connection) => {
  connection.addEventListener('message', ({ message }) => {
    const field = (segment, number) => message.getSegment(segment)?.getComponent(number, 1);
    console.log(JSON.stringify([field('MSH', 9), field('MSH', 10), field('TXA', 12)]));
    connection.send(message.buildAck());
  });
});
await server.start(0);
while (!server.server.listening) await new Promise((go) => setTimeout(go, 10));
console.log(server.server.address().port);
