import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SchemaRegistry, type ColumnType, type MappingInput } from '../../../schemas/index.ts';
import { agreeOnSchemas, type Contract } from '../../../source-connector/contract.ts';
import { planFills } from '../../../source-connector/fill/plan.ts';
import type { FrozenMapping, Position } from '../../../source-connector/position.ts';
import { sampleMapping } from '../../support/mapping.ts';
import { isCode } from '../../support/sender.ts';

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
    fills: {},
    left: {},
    held: [],
    at: '',
  };
}

/** What has to be filled, by mapping. */
function fillsOf(contracts: readonly Contract[], position: Position): Record<string, string> {
  const { fills } = planFills(contracts, position);
  return Object.fromEntries(Object.entries(fills).map(([name, { stage }]) => [name, stage]));
}

const stringFields = { text: { column: 'a_text', type: 'string' } } as const;

test('nothing is filled under the same mappings, also when only policies have changed', async () => {
  const position = positionUnder(await contractOf());
  assert.deepEqual(fillsOf([await contractOf()], position), {});
  const removals = { ...sampleMapping().removals, expired: 'delete' } as const;
  assert.deepEqual(fillsOf([await contractOf({ removals, before: true })], position), {});
});

test('whatever decides which rows there are has the hashes of the state folded anew when it changes', async () => {
  const position = positionUnder(await contractOf({ fields: stringFields }));
  const changed: Partial<MappingInput>[] = [
    { fields: { ...stringFields, more: { column: 'more', type: 'string' } } },
    { fields: { other: { column: 'a_text', type: 'string' } } },
    { fields: { text: { column: 'a_text', type: 'int' } } },
    { onBadValue: 'null' },
    { absentFields: 'keep' },
  ];
  for (const change of changed) {
    const contract = await contractOf({ fields: stringFields, ...change });
    assert.deepEqual(fillsOf([contract], position), { sample: 'refold' }, JSON.stringify(change));
  }
});

test('the digits of a decimal decide which rows there are', async () => {
  const price = (type: ColumnType) => contractOf({ fields: { price: { column: 'price', type } } });
  const position = positionUnder(await price('decimal(12,2)'));
  assert.deepEqual(fillsOf([await price('decimal(12,2)')], position), {});
  for (const type of ['decimal(13,2)', 'decimal(12,3)', 'string'] as const) {
    assert.deepEqual(fillsOf([await price(type)], position), { sample: 'refold' }, type);
  }
});

test('a mapping more is read from the server; the rows of one less are remembered for the day that it is back', async () => {
  const one = await contractOf();
  const two = await contractOf({ topic: 'two', key: 'two:{region}:{id}' }, 4, 'two');
  const more = planFills([one, two], positionUnder(one));
  assert.deepEqual(more.fills, { two: { stage: 'scan', cursor: null, keys: 0 } });
  assert.deepEqual(more.begins, [{ contract: two, knowsRows: false }]);
  const less = planFills([one], positionUnder(one, two));
  assert.deepEqual(less, { fills: {}, begins: [], left: { two: two.frozen } });
  const back = planFills([one, two], { ...positionUnder(one), left: less.left });
  assert.deepEqual(back, { ...more, begins: [{ contract: two, knowsRows: true }] });
  assert.deepEqual(planFills([two, one], positionUnder(one, two)), { fills: {}, begins: [], left: {} });
});

test('what is not filled to its end goes on, unless it changes again', async () => {
  const one = await contractOf({ fields: stringFields });
  const fill = { stage: 'scan', cursor: { run: 'run', db: 0, at: '17' }, keys: 5 } as const;
  const position = { ...positionUnder(one), fills: { sample: fill } };
  assert.deepEqual(planFills([one], position), { fills: { sample: fill }, begins: [], left: {} });
  const changed = await contractOf({ fields: stringFields, onBadValue: 'null' });
  assert.deepEqual(planFills([changed], position), {
    fills: { sample: { stage: 'scan', cursor: null, keys: 0 } },
    begins: [{ contract: changed, knowsRows: true }],
    left: {},
  });
});

test('a mapping that takes over the keys of another topic makes the rows of that one unknown', async () => {
  const one = await contractOf();
  const other = await contractOf({ topic: 'other' });
  const plan = planFills([other], positionUnder(one));
  assert.deepEqual(plan.begins, [{ contract: other, knowsRows: false }]);
  assert.deepEqual(plan.left, {});
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
    assert.throws(() => planFills([contract], position), { code: 'KEY_CHANGED', message: what });
  }
  assert.deepEqual(fillsOf([await contractOf({ topic: 'new', keyTypes: {} }, 8)], position), { sample: 'scan' });
  const eight = await contractOf({}, 8);
  const left = { ...positionUnder(), left: { [eight.frozen.topic]: (await contractOf()).frozen } };
  assert.throws(() => planFills([eight], left), isCode('KEY_CHANGED'));
});

test('rule 12: a mapping under another name does not get around it', async () => {
  const position = positionUnder(await contractOf());
  const renamed = await contractOf({ keyTypes: { id: 'int' } }, 4, 'renamed');
  assert.throws(() => planFills([renamed], position), isCode('KEY_CHANGED'));
});
