// npm node-hl7-client: node node_client.cjs MODULES PORT HOST FILE [CA [CERTIFICATE KEY]]; prints "MSA-1 MSA-2" of the answer.
const [, , modules, port, host, file, ca, certificate, key] = process.argv;
const { createRequire } = require('module');
const fs = require('fs');
const { Client, Message } = createRequire(modules + '/')('node-hl7-client');
const own = certificate ? { cert: fs.readFileSync(certificate), key: fs.readFileSync(key) } : {};
const tls = ca ? { ca: fs.readFileSync(ca), servername: 'localhost', ...own } : undefined;
const client = new Client({ host, ...(tls ? { tls } : {}) });
const connection = client.createConnection({ port: Number(port) }, (answer) => {
  const message = answer.getMessage();
  console.log(message.get('MSA.1').toString(), message.get('MSA.2').toString());
  setTimeout(() => process.exit(0), 50);
});
connection.on('error', (error) => console.error(error.message));
connection.on('connect', () => connection.sendMessage(new Message({ text: fs.readFileSync(file, 'utf8').trimEnd() })));
setTimeout(() => { console.error('no answer'); process.exit(2); }, 8000);
