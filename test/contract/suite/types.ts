import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ColumnType, ColumnValue } from '../../../schemas/index.ts';
import type { TargetTable } from '../../../sink-connector/write/port.ts';
import { EventLog } from '../../support/sink/event-log.ts';
import { createWorker, sinkConfig } from '../../support/sink/worker.ts';
import type { ContractBinding, TestColumn } from '../binding.ts';
import { canonicalRow, inOrder, kept, tableRows } from '../canonical.ts';
import { untilWritten } from './sink.ts';
import { persons, Stage, written } from './stage.ts';

/** A column of every type, by its name. */
const types = {
  text: 'string',
  i: 'int',
  l: 'long',
  f: 'float',
  d: 'double',
  money: 'decimal(12,2)',
  large: 'decimal(38,0)',
  small: 'decimal(38,38)',
  flag: 'boolean',
  day: 'date',
  micros: 'timestamp',
  millis: 'timestamp-millis',
  id: 'uuid',
  raw: 'bytes',
  doc: 'json',
} as const satisfies Readonly<Record<string, ColumnType>>;

/** What a field of the hash holds, and the value that it must become. */
type Cell = readonly [field: string, value: ColumnValue];
type Cells = Partial<Record<keyof typeof types, Cell>>;

/** The same, as this database can have them. */
function typesOf({ traits: { decimalScale = 38 } }: ContractBinding): Readonly<Record<keyof typeof types, ColumnType>> {
  return { ...types, small: `decimal(38,${decimalScale})` };
}

const nil = '00000000-0000-0000-0000-000000000000';
const same = (text: string): Cell => [text, text];
const nines = '9'.repeat(38);
const quoting = `'"\\{c,d};--%_$1?:x\t\r\n é 𝄞 👩‍👩‍👧 \u0001 \u200f end `;
const long = quoting.repeat(1300);

/** Rows by the keys of their hashes; a column that is left out is null. */
function rowsOf({ traits }: ContractBinding): Readonly<Record<string, Cells>> {
  const { first, last } = traits.days;
  const scale = traits.decimalScale ?? 38;
  const dayMs = 86_400_000;
  return {
    empty: {},
    largest: {
      text: same(long),
      i: ['2147483647', 2_147_483_647],
      l: ['9223372036854775807', 9_223_372_036_854_775_807n],
      f: ['3.4028234663852886e38', 3.4028234663852886e38],
      d: ['1.7976931348623157e308', Number.MAX_VALUE],
      money: same('9999999999.99'),
      large: same(nines),
      small: same(`0.${'9'.repeat(scale)}`),
      flag: ['true', true],
      day: [String(last), last],
      micros: [String(last * dayMs), BigInt(last * dayMs) * 1000n],
      millis: [String(last * dayMs), BigInt(last * dayMs) * 1000n],
      id: [nil.replaceAll('0', 'F'), nil.replaceAll('0', 'f')],
      raw: ['{"\\\u0000\u0001\'x', Buffer.from('{"\\\u0000\u0001\'x')],
      doc: same(JSON.stringify({ k: [long, 1.5, null], a: { b: 'é𝄞', '': [] } })),
    },
    smallest: {
      text: same(''),
      i: ['-2147483648', -2_147_483_648],
      l: ['-9223372036854775808', -9_223_372_036_854_775_808n],
      f: ['-3.4028234663852886e38', -3.4028234663852886e38],
      d: ['-1.7976931348623157e308', -Number.MAX_VALUE],
      money: same('-9999999999.99'),
      large: same(`-${nines}`),
      small: same(`-0.${'9'.repeat(scale)}`),
      flag: ['0', false],
      day: [String(first), first],
      micros: [String(first * dayMs), BigInt(first * dayMs) * 1000n],
      millis: [String(first * dayMs), BigInt(first * dayMs) * 1000n],
      id: same(nil),
      raw: ['', Buffer.alloc(0)],
      doc: same('null'),
    },
    // What a double on the way, a time zone, or a truncation towards zero would change.
    fine: {
      text: same(quoting),
      i: ['0', 0],
      l: ['9007199254740993', 9_007_199_254_740_993n],
      f: ['0.1', 0.1],
      d: ['0.1', 0.1],
      money: ['0.1', '0.10'],
      large: same('12345678901234567890123456789012345678'),
      small: same(`-0.${'0'.repeat(scale - 1)}1`),
      flag: ['FALSE', false],
      day: ['1969-12-31', -1],
      micros: ['2026-03-29T02:30:00.123456+02:00', 1_774_744_200_123_456n],
      millis: ['-1', -1000n],
      id: same('00112233-4455-6677-8899-aabbccddeeff'),
      raw: ['NULL', Buffer.from('NULL')],
      doc: same('"\\u00e9"'),
    },
    plain: {
      text: same('NULL'),
      d: ['-0.000001', -1e-6],
      money: same('-0.01'),
      large: same('0'),
      day: ['2024-02-29', 19_782],
      micros: ['1969-12-31T23:59:59.999999Z', -1n],
      millis: ['2026-11-24T10:20:30.123Z', 1_795_515_630_123_000n],
      doc: same('[{"b":1,"a":[true,false,null,"x"]},12345,-1.25]'),
    },
  };
}

/** A field's type, as the configuration says it. */
function configured(type: ColumnType): Readonly<Record<string, unknown>> {
  const [, precision, scale] = /^decimal\((\d+),(\d+)\)$/.exec(type) ?? [];
  return precision === undefined ? { type } : { type: 'decimal', precision: Number(precision), scale: Number(scale) };
}

/** Values of every type, from the hash to the table and back. */
export function typeTests(binding: ContractBinding): void {
  test('every type arrives as it is, at its ends, with any character, and as null', async (t) => {
    const database = await binding.open(t);
    const held = typesOf(binding);
    const columns: readonly TestColumn[] = [
      { name: 'person_id', type: 'string' },
      ...Object.entries(held).map(([name, type]) => ({ name, type })),
    ];
    const fields = Object.fromEntries(Object.entries(held).map(([name, type]) => [name, configured(type)]));
    const config = sinkConfig({ database, mapping: { fields } });
    const log = await EventLog.create(t, config, 'person', 2);
    const rows = Object.entries(rowsOf(binding));
    const names = Object.keys(types).filter((name) => isColumn(name));
    for (const [key, cells] of rows) {
      await log.commit({ key, values: names.map((name) => cells[name]?.[0] ?? null) });
    }
    await createWorker(t, config).worker.start();
    await untilWritten(database, log);
    const expected = rows.map(([key, cells]) => [
      key,
      ...names.map((name) => kept(binding.traits, held[name], cells[name]?.[1] ?? null)),
    ]);
    const seen = await tableRows(database, 'persons', columns);
    assert.deepEqual(seen, inOrder(expected.map((row) => canonicalRow(columns, row))));
  });

  test('a text of 5 MB arrives, where the configuration lets records be that large', async (t) => {
    const database = await binding.open(t);
    const config = sinkConfig({ database, kafka: { maxRecordBytes: '8MiB' } });
    const log = await EventLog.create(t, config, 'person');
    const huge = `${'x é 𝄞 '.repeat(500_000)}end`;
    assert.ok(Buffer.byteLength(huge) > 5_000_000);
    await log.commit({ key: 'before', values: ['small', '1'] }, { key: 'huge', values: [huge, '2'] });
    await log.commit({ key: 'after', values: ['small', '3'] });
    await createWorker(t, config).worker.start();
    await untilWritten(database, log);
    const rows = await tableRows(database, 'persons', [...persons.keyColumns, ...persons.valueColumns]);
    assert.deepEqual(
      rows.map(([key, text, age]) => [key, text === huge ? 'huge' : text?.slice(0, 20), age]),
      [
        ['after', 'small', '3'],
        ['before', 'small', '1'],
        ['huge', 'huge', '2'],
      ],
    );
  });

  test('a text with the character NUL is kept or refused, and never cut', async (t) => {
    const stage = await Stage.open(t, binding);
    const log = await stage.own(persons);
    const text = 'before\u0000after';
    const session = await stage.dialect.connect();
    t.after(() => session.close());
    await session.begin();
    const { changes, move } = log.batch(written('1', text, 1));
    if (binding.traits.nulInText) {
      await session.apply(persons, changes);
      assert.equal(await session.moveOffset(move), 1);
      await session.commit();
      assert.deepEqual(await stage.rows(persons), [['1', text, '1']]);
    } else {
      const error = await session.apply(persons, changes).catch((thrown: unknown) => thrown);
      assert.equal(stage.dialect.classify(error), 'data');
      assert.deepEqual(await stage.rows(persons), []);
    }
  });

  test('decimals of any digits keep them', async (t) => {
    const stage = await Stage.open(t, binding);
    const digits = [
      [1, 0],
      [1, 1],
      [9, 9],
      [18, 6],
      [19, 0],
      [30, 15],
      [38, 19],
    ] as const;
    const table: TargetTable = {
      ...persons,
      valueColumns: digits.map(([precision, scale]) => ({
        name: `d${precision}_${scale}`,
        type: `decimal(${precision},${scale})`,
      })),
    };
    const numbers = (digit: string, sign: string): string[] =>
      digits.map(([precision, scale]) => {
        const whole = digit.repeat(precision - scale) || '0';
        return sign + whole + (scale === 0 ? '' : `.${digit.repeat(scale)}`);
      });
    const log = await stage.own(table);
    await log.write(written('largest', ...numbers('9', '')), written('smallest', ...numbers('9', '-')));
    await log.write(written('ones', ...numbers('1', '')), written('null', ...digits.map(() => null)));
    const seen = await stage.rows(table);
    const expected = [
      ['largest', ...numbers('9', '')],
      ['smallest', ...numbers('9', '-')],
      ['ones', ...numbers('1', '')],
      ['null', ...digits.map(() => null)],
    ];
    const shown = [...table.keyColumns, ...table.valueColumns];
    assert.deepEqual(seen, inOrder(expected.map((row) => canonicalRow(shown, row))));
  });
}

function isColumn(name: string): name is keyof typeof types {
  return name in types;
}
