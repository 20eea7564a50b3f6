import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SchemaRegistry, type ColumnType, type MappingInput } from '../../schemas/index.ts';
import { agreeOnSchemas, captureOf, sameMappings, type Contract } from '../../source-connector/contract.ts';
import type { FrozenMapping, Position } from '../../source-connector/position.ts';
import { sampleMapping } from '../support/mapping.ts';
import { isCode } from '../support/sender.ts';

/** Agrees to everything, and gives equal schemas equal ids. */
class AgreeableRegistry extends SchemaRegistry {
  readonly #schemas: string[] = [];

  constructor() {
    super(() => ({ url: 'http://127.0.0.1:1' }));
  }

  override register(_subject: string, schema: unknown): Promise<number> {
    const text = JSON.stringify(schema);
    if (!this.#schemas.includes(text)) this.#schemas.push(text);
    return Promise.resolve(this.#schemas.indexOf(text) + 1);
  }

  override compatibility(): Promise<string> {
    return Promise.resolve('BACKWARD');
  }
}

const registry = new AgreeableRegistry();

async function contractOf(changes: Partial<MappingInput> = {}, partitions = 4, name = 'sample'): Promise<Contract> {
  const [contract] = await agreeOnSchemas([sampleMapping(changes, name)], partitions, registry);
  assert.ok(contract !== undefined);
  return contract;
}

function positionUnder(...contracts: Contract[]): Position {
  const mappings: Record<string, FrozenMapping> = {};
  for (const { mapping, frozen } of contracts) mappings[mapping.name] = frozen;
  return {
    v: 1,
    mode: 'replication',
    replid: 'r',
    offset: 0,
    db: 0,
    inTransaction: false,
    begun: false,
    snapshot: false,
    version: 1,
    clock: 0,
    log: { logId: 'l', sequence: 1 },
    mappings,
    at: '',
  };
}

const stringFields = { text: { column: 'a_text', type: 'string' } } as const;

test('the stream goes on under the same mappings, also when only policies have changed', async () => {
  const position = positionUnder(await contractOf());
  assert.equal(sameMappings([await contractOf()], position), true);
  const removals = { ...sampleMapping().removals, expired: 'delete' } as const;
  assert.equal(sameMappings([await contractOf({ removals, before: true })], position), true);
});

test('whatever decides which rows there are leads to a full resync when it changes', async () => {
  const position = positionUnder(await contractOf({ fields: stringFields }));
  const changed: Partial<MappingInput>[] = [
    { fields: { ...stringFields, more: { column: 'more', type: 'string' } } },
    { fields: { other: { column: 'a_text', type: 'string' } } },
    { fields: { text: { column: 'a_text', type: 'int' } } },
    { topic: 'other' },
    { onBadValue: 'null' },
    { absentFields: 'keep' },
  ];
  for (const change of changed) {
    const contract = await contractOf({ fields: stringFields, ...change });
    assert.equal(sameMappings([contract], position), false, JSON.stringify(change));
  }
});

test('the digits of a decimal decide which rows there are', async () => {
  const price = (type: ColumnType) => contractOf({ fields: { price: { column: 'price', type } } });
  const position = positionUnder(await price('decimal(12,2)'));
  assert.equal(sameMappings([await price('decimal(12,2)')], position), true);
  for (const type of ['decimal(13,2)', 'decimal(12,3)', 'string'] as const) {
    assert.equal(sameMappings([await price(type)], position), false, type);
  }
});

test('a mapping more or less leads to a full resync', async () => {
  const [one, two] = [await contractOf(), await contractOf({ topic: 'two' }, 4, 'two')];
  assert.equal(sameMappings([one, two], positionUnder(one)), false);
  assert.equal(sameMappings([one], positionUnder(one, two)), false);
  assert.equal(sameMappings([two, one], positionUnder(one, two)), true);
});

test('rule 12: another key schema, partition count, key pattern or database of the same topic is refused', async () => {
  const position = positionUnder(await contractOf());
  for (const [contract, what] of [
    [await contractOf({ keyTypes: { id: 'int' } }), /its key schema had id \d+ and now has \d+/],
    [await contractOf({ key: 'sample:{region}:{number}', keyTypes: {} }), /its key schema/],
    [await contractOf({}, 8), /it had 4 partitions and now is to have 8/],
    [await contractOf({ key: 'sample:{region}/{id}' }), /it had the keys \S+ and now is to have sample:/],
    [await contractOf({ database: 1 }), /it read database 0 and now is to read 1/],
  ] as const) {
    assert.throws(() => sameMappings([contract], position), { code: 'KEY_CHANGED', message: what });
  }
  assert.equal(sameMappings([await contractOf({ topic: 'new', keyTypes: {} }, 8)], position), false);
});

test('rule 12: a mapping under another name does not get around it', async () => {
  const position = positionUnder(await contractOf());
  const renamed = await contractOf({ keyTypes: { id: 'int' } }, 4, 'renamed');
  assert.throws(() => sameMappings([renamed], position), isCode('KEY_CHANGED'));
});

test('a key is captured when it begins with some prefix', () => {
  const captures = captureOf([
    sampleMapping({ key: 'person:{id}', keyTypes: {} }),
    sampleMapping({ key: 'car:{id}', keyTypes: {} }),
  ]);
  const bytes = Buffer.from('xxperson:1');
  const found = (start: number, end: number): boolean => captures(bytes, start, end);
  assert.deepEqual([found(2, 10), found(2, 9), found(2, 8), found(0, 10)], [true, true, false, false]);
  assert.equal(captureOf([])(bytes, 0, 10), false);
});
