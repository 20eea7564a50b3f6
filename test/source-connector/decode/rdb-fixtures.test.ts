import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { AfterwriteError } from '../../../ops/errors/index.ts';
import { cutAtRandom } from '../../support/cuts.ts';
import { fixtures, skipWithout } from '../../support/fixtures.ts';
import { Random, seedOfTest } from '../../support/random.ts';
import { readSnapshot, type SnapshotReading } from '../../support/snapshot-reading.ts';

/** Files that must not be read, and why. */
const refused: Readonly<Record<string, RegExp>> = {
  'invalid_chksum_v8.rdb': /RDB_CORRUPT: the checksum is not the one of the bytes before it \(position 201\)/,
  'future_v19.rdb': /RDB_UNSUPPORTED: RDB version REDIS0099 is not known \(position 0\)/,
  'redis_ent_opcode_ram_lru.rdb': /RDB_UNSUPPORTED: value type 107 is not known \(position 280\)/,
};

interface Fixture {
  readonly project: string;
  readonly file: string;
  /** How many hashes the list says are inside. */
  readonly hashes: number;
  readonly checksum: 'verified' | 'disabled';
}

/** Lines are: project, name, bytes, magic, types=…, ops=…, keys=…, hashes=<n>[…], crc=…, … */
function listFixtures(folder: string): Fixture[] {
  const lines = readFileSync(join(folder, 'LIST.tsv'), 'utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const [project = '', file = '', , , , , , hashes = '', crc = ''] = line.split('\t');
    return {
      project: project.replace('+', '-'),
      file,
      hashes: Number(/^hashes=(\d+)/.exec(hashes)?.[1] ?? 0),
      checksum: crc === 'crc=ok' ? 'verified' : 'disabled',
    };
  });
}

type Hashes = Record<string, Record<string, string>>;

/** The hashes in the JSON of HDT3213/rdb: an array of values of all types. */
function expectedOfHdt(text: string): Hashes {
  const values: unknown = JSON.parse(text);
  assert.ok(isRecord(values));
  const hashes: Hashes = {};
  for (const value of Object.values(values)) {
    if (isRecord(value) && typeof value['key'] === 'string' && isTexts(value['hash']))
      hashes[value['key']] = value['hash'];
  }
  return hashes;
}

/** Where redis/librdb keeps what it expects of its files with hashes: `"key":{"field":"value"…}` members, some without braces. */
const expectedOfLibrdb: Readonly<Record<string, string>> = {
  'hash_lp_v11.rdb': 'hash_lp_v11_data.json',
  'hash_lp_with_hexpire_v12.rdb': 'hash_lp_ex_v12_data.json',
  'hash_v3.rdb': 'hash_data.json',
  'hash_with_expire_v12.rdb': 'hash_ex_v12_data.json',
  'hash_zl_v6.rdb': 'hash_zl_v6_data.json',
  'hash_zm_v2.rdb': 'hash_zm_v2_data.json',
};

/** The hashes that the file's project expects; undefined where it tells nothing of them. */
function expectedHashes(folder: string, { project, file }: Fixture): Hashes | undefined {
  const expected = join(folder, project, 'expected');
  if (project === 'HDT3213-rdb') {
    const json = join(expected, file.replace('.rdb', '.json'));
    return existsSync(json) ? expectedOfHdt(readFileSync(json, 'utf8')) : undefined;
  }
  const json = expectedOfLibrdb[file];
  if (json === undefined) return undefined;
  const members: unknown = JSON.parse(`{${readFileSync(join(expected, json), 'utf8')}}`);
  assert.ok(isRecord(members));
  return Object.fromEntries(
    Object.entries(members).flatMap(([key, hash]) => (key !== '__aux__' && isTexts(hash) ? [[key, hash]] : [])),
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isTexts(value: unknown): value is Record<string, string> {
  return isRecord(value) && Object.values(value).every((text) => typeof text === 'string');
}

/** As those projects show bytes: what is not UTF-8 is replaced. */
function shown({ hashes }: SnapshotReading): Hashes {
  const text = (latin1: string): string => Buffer.from(latin1, 'latin1').toString('utf8');
  return Object.fromEntries(
    hashes.map(({ key, fields }) => [
      text(key),
      Object.fromEntries(Object.entries(fields).map(([name, value]) => [text(name), text(value)])),
    ]),
  );
}

const folder = fixtures('rdb-fixtures');
const seed = seedOfTest();
const random = new Random(seed);

for (const fixture of folder === undefined ? [] : listFixtures(folder)) {
  const bytes = readFileSync(join(folder ?? '', fixture.project, fixture.file));
  const what = `${fixture.project}/${fixture.file} (AFTERWRITE_SEED=${seed})`;
  const reason = refused[fixture.file];
  if (reason !== undefined) {
    test(`${fixture.project}/${fixture.file} is refused with the reason`, () => {
      assert.throws(() => readSnapshot([bytes]), reason);
      assert.throws(() => readSnapshot(cutAtRandom(bytes, random, 100)), reason, what);
    });
    continue;
  }
  test(`${fixture.project}/${fixture.file} reads to its hashes, whole and cut anywhere`, () => {
    const expected = expectedHashes(folder ?? '', fixture);
    for (const pieces of [[bytes], cutAtRandom(bytes, random, 100), cutAtRandom(bytes, random, 5000)]) {
      const reading = readSnapshot(pieces);
      assert.equal(reading.hashes.length, fixture.hashes, what);
      assert.equal(reading.end, fixture.checksum, what);
      assert.equal(reading.decoder.position, bytes.length, what);
      if (expected !== undefined) assert.deepEqual(shown(reading), expected, what);
      else
        assert.equal(
          fixture.hashes === 0 || ['example.rdb', 'misc_with_stream.rdb'].includes(fixture.file),
          true,
          what,
        );
    }
  });
  test(`${fixture.project}/${fixture.file}, cut short or damaged, ends in an error or waits`, () => {
    for (let i = 0; i < 60; i++) {
      const damaged = Buffer.from(i < 30 ? bytes.subarray(0, random.below(bytes.length)) : bytes);
      if (i >= 30) damaged.writeUInt8(random.below(256), random.between(9, bytes.length - 1));
      try {
        const { end } = readSnapshot([damaged]);
        if (i < 30) assert.equal(end, undefined, what);
      } catch (error) {
        assert.ok(error instanceof AfterwriteError, `${what}: ${String(error)}`);
      }
    }
  });
}
if (folder === undefined) test('RDB files of other projects are read', { skip: skipWithout('rdb-fixtures') });
