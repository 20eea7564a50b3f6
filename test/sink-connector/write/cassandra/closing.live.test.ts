import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { createDialect } from '../../../../sink-connector/write/registry.ts';
import { startRelay } from '../../../support/relay.ts';
import { createKeyspace } from '../../../support/sink/keyspace.ts';
import { untilEqual } from '../../../support/until.ts';

test('a session that is closed while the driver reconnects leaves no timer that keeps the process', async (t) => {
  const { options, address } = await createKeyspace();
  const relay = await startRelay(t, Number(address.split(':')[1]));
  const dialect = await createDialect('warehouse', { ...options, contactPoints: [`127.0.0.1:${relay.port}`] });
  const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const before = timers();
  // At several moments of the way back to the cluster.
  for (const pause of [0, 10, 20, 30, 40, 60, 100, 200]) {
    const session = await dialect.connect();
    relay.cut();
    await wait(pause);
    await session.close();
  }
  await untilEqual('timers', before, timers, { everyMs: 500 });
  assert.equal(timers(), before);
});
