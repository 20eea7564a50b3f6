// Opens sessions through a relay that breaks their connections, and closes each at another moment of the way back to the
// cluster. Nothing of them is left when this program ends by itself.
import { setTimeout as wait } from 'node:timers/promises';
import { createDialect } from '../../../../sink-connector/write/registry.ts';
import { startRelay } from '../../../support/relay.ts';
import { createKeyspace } from '../../../support/sink/keyspace.ts';

const closing: (() => Promise<void>)[] = [];
const { options, address } = await createKeyspace();
const relay = await startRelay({ after: (close) => closing.push(close) }, Number(address.split(':')[1]));
const dialect = await createDialect('warehouse', { ...options, contactPoints: [`127.0.0.1:${relay.port}`] });
for (const pause of [0, 10, 20, 30, 40, 60, 100, 200, 500, 1000, 1500]) {
  const session = await dialect.connect();
  relay.cut();
  await wait(pause);
  await session.close();
}
// What would still seek connections finds none, and goes on seeking.
for (const close of closing) await close();
