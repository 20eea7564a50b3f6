import assert from 'node:assert/strict';
import { test } from 'node:test';
import { types } from 'cassandra-driver';
import { RowStatements } from '../../../../sink-connector/write/cassandra/row-statements.ts';
import {
  addColumn,
  createKeyspace,
  createTable,
  tableStatements,
} from '../../../../sink-connector/write/cassandra/statements.ts';
import type { TargetTable } from '../../../../sink-connector/write/port.ts';
import { removal, upsert } from '../../../support/sink/changes.ts';

const orders: TargetTable = {
  topic: 'shop.order',
  mapping: 'order',
  name: 'Orders',
  keyColumns: [
    { name: 'region', type: 'string' },
    { name: 'id', type: 'long' },
  ],
  valueColumns: [
    { name: 'select', type: 'decimal(10,2)' },
    { name: 'at', type: 'timestamp' },
  ],
  versionColumn: 'v',
};

test('writes and deletes of a table take their time from the version of the event', () => {
  const insert = 'INSERT INTO "shop"."Orders" ("region", "id", "select", "at", "v") VALUES (?, ?, ?, ?, ?)';
  assert.deepEqual(tableStatements('shop', orders), {
    insert: `${insert} USING TIMESTAMP ?`,
    insertForAWhile: `${insert} USING TTL ? AND TIMESTAMP ?`,
    delete: 'DELETE FROM "shop"."Orders" USING TIMESTAMP ? WHERE "region" = ? AND "id" = ?',
    keys: 'SELECT "region", "id", WRITETIME("select"), WRITETIME("at"), WRITETIME("v") FROM "shop"."Orders"',
  });
});

test('all key columns of a new table are its partition key', () => {
  assert.equal(
    createTable('shop', orders),
    'CREATE TABLE IF NOT EXISTS "shop"."Orders" ("region" text, "id" bigint, "select" decimal, "at" timestamp, ' +
      '"v" bigint, PRIMARY KEY (("region", "id")))',
  );
  assert.equal(addColumn('shop', 'Orders', 'a"b', 'int'), 'ALTER TABLE "shop"."Orders" ADD "a""b" int');
  assert.equal(
    createKeyspace('shop', { class: 'NetworkTopologyStrategy', "d'c": 3 }),
    `CREATE KEYSPACE IF NOT EXISTS "shop" WITH replication = {'class': 'NetworkTopologyStrategy', 'd''c': '3'}`,
  );
});

const columnTypes = new Map(
  Object.entries({ region: 'text', id: 'varint', select: 'decimal', at: 'timestamp', v: 'bigint' }),
);
const change = { ...upsert('k', ['-0.05', null], 5_000_000n), keyValues: ['eu', 7] };

test('parameters stand in the order of the statement, and a null is written or left out', () => {
  for (const [nulls, none] of [['write', null] as const, ['unset', types.unset] as const]) {
    const rows = new RowStatements('shop', orders, columnTypes, { nulls, ttl: undefined });
    assert.deepEqual(rows.of(change, 0).parameters, ['eu', 7n, '-0.05', none, 5_000_000n, 5_000_000n]);
    assert.deepEqual(rows.of({ ...change, ...removal('k', 6n), keyValues: ['eu', 7] }, 0), {
      query: rows.texts.delete,
      parameters: [6n, 'eu', 7n],
    });
  }
});

test('a TTL counts from the event, and ends in a delete', () => {
  const rows = new RowStatements('shop', orders, columnTypes, { nulls: 'write', ttl: 10_000 });
  const at = (now: number) => rows.of(change, now);
  assert.equal(at(5000).parameters.at(-2), 10);
  assert.equal(at(14_001).parameters.at(-2), 1);
  assert.equal(at(5000).query, rows.texts.insertForAWhile);
  assert.deepEqual(at(15_000), { query: rows.texts.delete, parameters: [5_000_000n, 'eu', 7n] });
});

test('a row lives as long as its key, without a TTL where that is for ever or longer than Cassandra can say', () => {
  const table = { ...orders, expiryColumn: 'at' };
  const rows = new RowStatements('shop', table, columnTypes, { nulls: 'write', ttl: 'expiry' });
  const now = Date.UTC(2026, 0, 1);
  const of = (end: number | null) => {
    // As schemas/column-value.ts has it: a bigint only where a number does not do.
    const micros = end === null ? null : end * 1000;
    const at = micros === null || Number.isSafeInteger(micros) ? micros : BigInt(micros);
    return rows.of({ ...change, values: ['1', at] }, now);
  };
  assert.equal(of(now + 10_000).query, rows.texts.insertForAWhile);
  assert.deepEqual(
    [10_000, 9001, 1].map((left) => of(now + left).parameters.at(-2)),
    [10, 10, 1],
  );
  for (const end of [now, now - 1, 0]) {
    assert.deepEqual(of(end), { query: rows.texts.delete, parameters: [5_000_000n, 'eu', 7n] });
  }
  const last = Date.UTC(2038, 0, 19, 3, 14, 6);
  assert.equal(of(last).parameters.at(-2), (last - now) / 1000);
  for (const end of [null, last + 1, now + 21 * 365 * 86_400_000, Date.UTC(9999, 0, 1)]) {
    assert.deepEqual([of(end).query, of(end).parameters.length], [rows.texts.insert, 6]);
  }
});

test('a change without a version is never written', () => {
  const rows = new RowStatements('shop', orders, columnTypes, { nulls: 'write', ttl: undefined });
  assert.throws(() => rows.of({ ...change, version: undefined }, 0), { code: 'INTERNAL' });
});
