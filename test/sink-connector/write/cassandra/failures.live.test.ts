import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { inspect } from 'node:util';
import { errors, types } from 'cassandra-driver';
import type { CassandraConfig } from '../../../../sink-connector/write/cassandra/connection.ts';
import { causesOf, NodeError } from '../../../../sink-connector/write/cassandra/errors.ts';
import type { Dialect, FailureKind, Session, TargetTable } from '../../../../sink-connector/write/port.ts';
import { createDialect } from '../../../../sink-connector/write/registry.ts';
import { freePort } from '../../../../services/index.ts';
import { startRelay } from '../../../support/relay.ts';
import { upsert } from '../../../support/sink/changes.ts';
import { createKeyspace } from '../../../support/sink/keyspace.ts';
import { until, untilEqual } from '../../../support/until.ts';

const texts: TargetTable = {
  topic: 'shop.text',
  mapping: 'text',
  name: 'texts',
  keyColumns: [{ name: 'id', type: 'string' }],
  valueColumns: [{ name: 'body', type: 'string' }],
  versionColumn: undefined,
};
const creating = { create: true, evolve: false };

/** What an action's error means; `none` when it has none. */
async function kindOf(dialect: Dialect, action: () => Promise<unknown>): Promise<FailureKind | 'none'> {
  try {
    await action();
    return 'none';
  } catch (error) {
    return dialect.classify(error);
  }
}

async function openTexts(t: TestContext, replicas = 1) {
  const keyspace = await createKeyspace({ replicas });
  const dialect = await createDialect('warehouse', keyspace.options);
  assert.deepEqual(await dialect.prepare([texts], creating), []);
  const session = await dialect.connect();
  t.after(() => session.close());
  const put = (id: string, body: string) => () => session.apply(texts, { upserts: [upsert(id, [body])], deletes: [] });
  return { ...keyspace, dialect, session, put };
}

test('a wrong password is no outage, and a node that does not run is one', async () => {
  const { options } = await createKeyspace();
  const connecting = async (changes: Partial<CassandraConfig>) => {
    const dialect = await createDialect('warehouse', { ...options, ...changes });
    return await kindOf(dialect, () => dialect.connect());
  };
  assert.equal(await connecting({ password: 'wrong' }), 'access');
  assert.equal(await connecting({ user: 'nobody' }), 'access');
  assert.equal(await connecting({ user: undefined }), 'access');
  assert.equal(await connecting({ contactPoints: [`127.0.0.1:${await freePort()}`] }), 'outage');
});

test('a data center that is none is told with the remedy, and leaves no connection behind', async () => {
  const { options, rows, keyspace } = await createKeyspace();
  const dialect = await createDialect(keyspace, { ...options, localDataCenter: 'elsewhere' });
  await assert.rejects(dialect.connect(), {
    code: 'CONFIG_INVALID',
    message: /elsewhere.*datacenter1.*Set localDataCenter/,
  });
  // The server says who is connected, and under what name.
  const connected = async (): Promise<number> => {
    const clients = await rows('SELECT client_options FROM system_views.clients');
    return clients.filter(({ client_options: client }) => inspect(client).includes(`afterwrite ${keyspace}`)).length;
  };
  await untilEqual('connections', 0, connected);
  const right = await (await createDialect(keyspace, options)).connect();
  await untilEqual('connections', 1, connected);
  await right.close();
});

test('rows and offsets wait for as many replicas as the options say', async (t) => {
  const { options } = await createKeyspace({ replicas: 3 });
  const { consistencies } = types;
  // A node calls a serial read by the quorum that it needs.
  const levels = [
    ['LOCAL_QUORUM', consistencies.localQuorum, 'LOCAL_SERIAL', consistencies.localQuorum],
    ['QUORUM', consistencies.quorum, 'SERIAL', consistencies.quorum],
    ['EACH_QUORUM', consistencies.eachQuorum, 'LOCAL_SERIAL', consistencies.localQuorum],
    ['ALL', consistencies.all, 'SERIAL', consistencies.quorum],
  ] as const;
  for (const [consistency, ofRow, serialConsistency, ofOffset] of levels) {
    const dialect = await createDialect('warehouse', { ...options, consistency, serialConsistency });
    assert.deepEqual(await dialect.prepare([texts], creating), []);
    const session = await dialect.connect();
    t.after(() => session.close());
    const put = () => session.apply(texts, { upserts: [upsert('k', ['x'])], deletes: [] });
    const claim = () => session.claim({ topic: 'shop.text', partition: 0 }, { clusterId: 'c', nextOffset: 0n });
    assert.deepEqual([await missedLevel(put), await missedLevel(claim)], [ofRow, ofOffset]);
  }
});

/** The consistency that an action could not have, as the node's answer says. */
async function missedLevel(action: () => Promise<unknown>): Promise<unknown> {
  const error = await action().catch((thrown: unknown) => thrown);
  const answers = [error, ...causesOf(error)].map((cause) => (cause instanceof NodeError ? cause.answer : cause));
  const answer = answers.find((cause) => cause instanceof errors.ResponseError);
  return answer === undefined ? error : Reflect.get(answer, 'consistencies');
}

test('a row without its quorum is an outage, and so is an offset', async (t) => {
  const { dialect, session, put } = await openTexts(t, 3);
  assert.equal(await kindOf(dialect, put('k', 'x')), 'outage');
  const claim = () => session.claim({ topic: 'shop.text', partition: 0 }, { clusterId: 'c', nextOffset: 0n });
  assert.equal(await kindOf(dialect, claim), 'outage');
});

test('a connection that breaks before a conditional statement is answered is an outage, and the row tells what was done', async (t) => {
  const { options, address } = await createKeyspace();
  const relay = await startRelay(t, Number(address.split(':')[1]));
  const dialect = await createDialect('warehouse', { ...options, contactPoints: [`127.0.0.1:${relay.port}`] });
  assert.deepEqual(await dialect.prepare([texts], creating), []);
  const session = await dialect.connect();
  t.after(() => session.close());
  const partition = { topic: 'shop.text', partition: 0 };
  const { owner, epoch } = await session.claim(partition, { clusterId: 'c', nextOffset: 0n });
  const move = { ...partition, owner, epoch, caughtUp: false };
  // The answer to the statement's preparation has the marker, too.
  assert.equal(await session.moveOffset({ ...move, from: 0n, to: 3n }), 1);
  let isDone = false;
  void relay.holdAfter('[applied').then(() => {
    isDone = true;
  });
  const moving = kindOf(dialect, () => session.moveOffset({ ...move, from: 3n, to: 7n }));
  await until('an answer', () => isDone);
  relay.cut();
  assert.equal(await moving, 'outage');
  const next = await dialect.connect();
  t.after(() => next.close());
  assert.equal((await next.readOffset(partition))?.nextOffset, 7n);
});

test('long texts are stored, and a row that is too large or has no key is bad data', async (t) => {
  const { dialect, put, rows } = await openTexts(t);
  const long = 'ä€😀\0'.repeat(500_000);
  await put('long', long)();
  assert.equal((await rows('SELECT body FROM $keyspace.texts'))[0]?.body, long);
  assert.equal(await kindOf(dialect, put('k', 'x'.repeat(20_000_000))), 'data');
  assert.equal(await kindOf(dialect, put('', 'x')), 'data');
  await assert.rejects(put('', 'x'), { code: '0x2200 INVALID', message: 'Key may not be empty' });
  assert.equal(await kindOf(dialect, put('k'.repeat(70_000), 'x')), 'data');
});

test('rule 19: what the driver cannot encode is bad data, and any other TypeError is not', async (t) => {
  const { options, rows } = await createKeyspace();
  const table: TargetTable = {
    ...texts,
    keyColumns: [
      { name: 'region', type: 'string' },
      { name: 'id', type: 'string' },
    ],
    valueColumns: [{ name: 'tag', type: 'uuid' }],
  };
  const dialect = await createDialect('warehouse', options);
  assert.deepEqual(await dialect.prepare([table], creating), []);
  const session = await dialect.connect();
  t.after(() => session.close());
  const tag = '01234567-89ab-cdef-0123-456789abcdef';
  const put = (writer: Session, id: string, value: string) => () =>
    writer.apply(table, { upserts: [upsert(['eu', id], [value])], deletes: [] });
  await put(session, 'k', tag)();
  assert.equal(await kindOf(dialect, put(session, 'k', 'none')), 'data');
  await assert.rejects(put(session, 'k', 'none'), /"none" is no UUID/);
  assert.equal(await kindOf(dialect, put(session, 'k'.repeat(70_000), tag)), 'data');
  assert.equal(await kindOf(dialect, put(session, 'ä'.repeat(33_000), tag)), 'data');

  // The table is another one, and nobody has looked at it again.
  await rows('DROP TABLE $keyspace.texts');
  await rows('CREATE TABLE $keyspace.texts (region text, id text, tag int, PRIMARY KEY ((region, id)))');
  const next = await dialect.connect();
  t.after(() => next.close());
  await assert.rejects(put(next, 'k', tag), TypeError);
  assert.equal(await kindOf(dialect, put(next, 'k', tag)), 'unknown');
});

test('a column or table that has gone is told apart from a bad value', async (t) => {
  const { dialect, put, rows } = await openTexts(t);
  await put('k', 'x')();
  await rows('ALTER TABLE $keyspace.texts DROP body');
  assert.equal(await kindOf(dialect, put('k', 'x')), 'structure');
  await rows('DROP TABLE $keyspace.texts');
  assert.equal(await kindOf(dialect, put('k', 'x')), 'structure');
});
