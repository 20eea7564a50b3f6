import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client as CassandraClient } from 'cassandra-driver';
import { Redis } from 'ioredis';
import { Kafka, logLevel } from 'kafkajs';
import { createConnection } from 'mysql2/promise';
import { Client } from 'pg';
import { z } from 'zod';
import { committedOf, createTopic, kafkaAt, openReader } from '../support/kafka.ts';
import { SnowflakeDatabase } from '../contract/bindings/snowflake.ts';
import { uniqueName } from '../support/names.ts';
import { startPrivate } from '../support/servers.ts';

test('kafka keeps its committed records over kill -9, on the same port', async (t) => {
  const server = await startPrivate(t, 'kafka');
  const kafka = new Kafka({ clientId: 'test', brokers: [server.address], logLevel: logLevel.NOTHING });
  const topic = await createTopic(t, { client: kafkaAt(server.address) });
  const producer = kafka.producer({ transactionalId: topic, idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  const transaction = await producer.transaction();
  const messages = Array.from({ length: 100 }, (_, index) => ({ value: String(index) }));
  await transaction.send({ topic, messages });
  await transaction.commit();
  await producer.disconnect();

  await server.kill();
  assert.equal(server.pid, undefined);
  await server.start();

  // Not the end of the log: a coordinator that was killed right after its answer writes the commit marker once more.
  const reader = await openReader(t, kafkaAt(server.address));
  const kept = (await committedOf(reader, topic)).get(0) ?? [];
  assert.deepEqual(
    kept.map(({ value }) => value?.toString()),
    messages.map(({ value }) => value),
  );
});

test('the registry keeps the ids of its schemas over kill -9, and refuses what is not backward compatible', async (t) => {
  const server = await startPrivate(t, 'registry');
  const subject = `${server.address}/subjects/${uniqueName('kept')}-value/versions`;
  const register = async (fields: readonly object[]): Promise<{ status: number; body: unknown }> => {
    const answer = await fetch(subject, {
      method: 'POST',
      headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
      body: JSON.stringify({ schema: JSON.stringify({ type: 'record', name: 'R', fields }) }),
    });
    return { status: answer.status, body: await answer.json() };
  };
  const first = await register([{ name: 'a', type: 'string' }]);
  assert.equal(first.status, 200);

  await server.kill();
  await server.start();

  // Asking for the id: registering again would give a lost schema the same id anew.
  const { id } = z.object({ id: z.number() }).parse(first.body);
  assert.equal((await fetch(`${server.address}/schemas/ids/${id}`)).status, 200);
  const incompatible = await register([{ name: 'b', type: 'string' }]);
  assert.equal(incompatible.status, 409);
});

test('postgres keeps its rows over kill -9 and over an orderly stop', async (t) => {
  const server = await startPrivate(t, 'postgres');
  const query = async (text: string): Promise<unknown[]> => {
    const client = new Client(server.address);
    await client.connect();
    const { rows } = await client.query<Record<string, unknown>>(text);
    await client.end();
    return rows;
  };
  await query('CREATE TABLE kept AS SELECT 1 AS id');
  await server.kill();
  await server.start();
  assert.deepEqual(await query('SELECT id FROM kept'), [{ id: 1 }]);
  await server.stop();
  await server.start();
  assert.deepEqual(await query('SELECT id FROM kept'), [{ id: 1 }]);
});

test('mariadb keeps its rows over kill -9 and over an orderly stop', async (t) => {
  const server = await startPrivate(t, 'mariadb');
  const query = async (text: string): Promise<unknown> => {
    const connection = await createConnection(server.address);
    const [rows] = await connection.query(text);
    await connection.end();
    return rows;
  };
  await query('CREATE TABLE kept AS SELECT 1 AS id');
  await server.kill();
  await server.start();
  assert.deepEqual(await query('SELECT id FROM kept'), [{ id: 1 }]);
  await server.stop();
  await server.start();
  assert.deepEqual(await query('SELECT id FROM kept'), [{ id: 1 }]);
});

test('cassandra keeps its tables and rows over kill -9, conditional ones too', async (t) => {
  const server = await startPrivate(t, 'cassandra');
  const execute = async (...statements: string[]): Promise<unknown> => {
    const credentials = { username: 'cassandra', password: 'cassandra' };
    const contact = { contactPoints: [server.address], localDataCenter: 'datacenter1', credentials };
    const client = new CassandraClient(contact);
    try {
      let rows: unknown;
      for (const statement of statements) ({ rows } = await client.execute(statement));
      return JSON.parse(JSON.stringify(rows ?? []));
    } finally {
      await client.shutdown();
    }
  };
  await execute(
    `CREATE KEYSPACE kept WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}`,
    'CREATE TABLE kept.rows (id INT PRIMARY KEY, owner INT)',
    'INSERT INTO kept.rows (id, owner) VALUES (1, 1) IF NOT EXISTS',
    'UPDATE kept.rows SET owner = 2 WHERE id = 1 IF owner = 1',
  );
  await server.kill();
  await server.start();
  assert.deepEqual(await execute('SELECT id, owner FROM kept.rows'), [{ id: 1, owner: 2 }]);
});

test('redis keeps its hashes over kill -9', async (t) => {
  const server = await startPrivate(t, 'redis');
  const before = new Redis(server.port, '127.0.0.1');
  await before.hset('h', 'f', 'v');
  before.disconnect();
  await server.kill();
  await server.start();
  const after = new Redis(server.port, '127.0.0.1');
  assert.deepEqual(await after.hgetall('h'), { f: 'v' });
  after.disconnect();
});

test("snowflake's emulator keeps its rows over kill -9", async (t) => {
  const server = await startPrivate(t, 'snowflake');
  const database = await SnowflakeDatabase.open(t, server.address, { goesWithServer: true });
  await database.run('CREATE TABLE kept (id INTEGER PRIMARY KEY)');
  await database.run('INSERT INTO kept VALUES (1)');
  await server.kill();
  await server.start();
  assert.deepEqual(await database.query('SELECT id FROM kept'), [['1']]);
});
