/**
 * A server that speaks Oracle Net and executes on H2 in Oracle mode, for tests and trials with the real driver. It is no
 * Oracle: what it shows is the driver, binds, transactions and errors on the wire; not Oracle's own SQL, locks or optimizer.
 *
 *   node main.js --java PATH --h2 JAR --source Bridge.java --folder DATA --port N --service NAME --password OF-SYSTEM
 *                [--protocol 19c|23ai]
 */
import { createServer } from 'node:net';
import { parseArgs } from 'node:util';
import { Accounts, enginePassword } from './accounts.ts';
import { startBridge } from './bridge.ts';
import { Connection } from './connection.ts';
import { administrator } from './dictionary.ts';
import { Engine } from './engine.ts';
import { isProtocolName, protocols } from './protocol.ts';

const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    java: text,
    h2: text,
    source: text,
    folder: text,
    port: text,
    service: text,
    password: text,
    protocol: { type: 'string', default: '23ai' },
  },
});
const { java = '', h2: jar = '', source = '', folder = '', service = '', password = '', protocol } = values;
if (!isProtocolName(protocol)) throw new Error(`--protocol ${protocol}: 19c or 23ai`);

const bridge = await startBridge({ java, jar, source, folder, password: enginePassword });
bridge.process.once('exit', (code) => {
  console.error(`H2 ended with code ${String(code)}`);
  process.exit(1);
});
const openEngine = (user: string): Engine => Engine.open(bridge.port, user);
const database = {
  protocol: protocols[protocol],
  service: service.toUpperCase(),
  accounts: await Accounts.open(openEngine(administrator), password),
  sessions: new Map(),
  openEngine,
};
createServer((socket) => {
  new Connection(socket, database, (error) => {
    console.error(error);
  });
}).listen(Number(values.port), '127.0.0.1');

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(0));
