import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RdbDecoder } from '../../../source-connector/decode/rdb.ts';
import { CommandDecoder } from '../../../source-connector/decode/stream.ts';
import { cutAtRandom } from '../../support/cuts.ts';
import { fixtures, skipWithout } from '../../support/fixtures.ts';
import { HashModel } from '../../support/hash-model.ts';
import { Random, seedOfTest } from '../../support/random.ts';
import { recordedSessions, recordingFolders, type RecordedState, type Recording } from '../../support/recordings.ts';

type Pieces = (bytes: Buffer) => Iterable<Buffer>;

const whole: Pieces = (bytes) => [bytes];
const seed = seedOfTest();
const random = new Random(seed);
const pieces: Pieces = (bytes) => cutAtRandom(bytes, random, 5000);

const folder = fixtures('recordings');
for (const server of folder === undefined ? [] : recordingFolders(folder)) {
  for (const { name, links } of recordedSessions(server)) {
    test(`${name}: snapshot, histories and final state follow from the bytes, whole and cut anywhere`, () => {
      for (const cut of [whole, pieces]) {
        const model = new HashModel();
        for (const link of links) followLink(link, model, cut, `${link.name} (AFTERWRITE_SEED=${seed})`);
      }
    });
  }
}
if (folder === undefined) test('recordings decode', { skip: skipWithout('recordings') });

function followLink(link: Recording, model: HashModel, cut: Pieces, what: string): void {
  if (link.rdb !== undefined) readSnapshot(link, model, cut, what);
  const wanted = link.endOffset - link.partialCommandBytes;
  const decoder = new CommandDecoder({
    captures: () => true,
    ignoreCommands: new Set(),
    offset: link.startOffset,
    db: link.rdb === undefined ? (link.selectedDb ?? 0) : 0,
  });
  const history = [...link.history];
  const passed = (offset: number): void => {
    for (let step = history[0]; step !== undefined && step.offset <= offset; step = history[0]) {
      history.shift();
      if (step.clock) continue;
      for (const { db, key, value } of step.changes) {
        assert.deepEqual(
          model.fieldsOf(db, key),
          value,
          `${what}: ${db}/${key} after ${step.command} at ${step.offset}`,
        );
      }
    }
  };
  // The next link of a pair begins here: what this one said after it, inside a cut transaction, must not count.
  const until = link.partialCommandBytes > 0 ? (link.resumeOffset ?? wanted) : wanted;
  for (const chunk of cut(link.bytes.subarray(link.streamAt))) {
    decoder.push(chunk);
    for (let command = decoder.next(); command !== undefined; command = decoder.next()) {
      passed(command.start);
      if (command.end <= until) model.apply(command);
    }
    assert.equal(decoder.offset + decoder.buffered <= link.endOffset, true);
  }
  passed(decoder.offset);
  assert.equal(decoder.offset, wanted, what);
  assert.equal(decoder.buffered, link.partialCommandBytes, what);
  if (link.final !== undefined) assert.deepEqual(model.state(), hashesOf(link.final), `${what}: final state`);
}

function readSnapshot(link: Recording, model: HashModel, cut: Pieces, what: string): void {
  const { at, bytes } = link.rdb ?? { at: 0, bytes: 0 };
  const decoder = new RdbDecoder({ captures: () => true });
  const read = new HashModel();
  let end: string | undefined;
  for (const chunk of cut(link.bytes.subarray(at, at + bytes + 10))) {
    decoder.push(chunk);
    for (let event = decoder.next(); event !== undefined; event = decoder.next()) {
      if (event.kind === 'hash') read.put(event.db, event.key, event.fields, event.expireAt);
      if (event.kind === 'end') end = event.checksum;
    }
  }
  assert.equal(end, link.name.endsWith('encodings-disk') ? 'disabled' : 'verified', what);
  assert.equal(decoder.position, bytes, what);
  assert.deepEqual(decoder.rest(), link.bytes.subarray(at + bytes, at + bytes + 10), what);
  const expected = hashesOf(link.snapshot ?? new Map());
  for (const [db, keys] of hashesOf(link.expiredInRdb ?? new Map())) {
    const there: ReadonlyMap<string, { expireAt: number; fields: Map<string, string> }> = expected.get(db) ?? new Map();
    expected.set(db, new Map([...there, ...keys]));
  }
  assert.deepEqual(read.state(), expected, `${what}: snapshot`);
  model.replaceBy(read);
}

function hashesOf(state: RecordedState): ReturnType<HashModel['state']> {
  const hashes: ReturnType<HashModel['state']> = new Map();
  for (const [db, keys] of state) {
    const found = [...keys].flatMap(([key, { expireAt, fields }]) =>
      fields === undefined ? [] : [[key, { expireAt, fields: new Map(fields) }] as const],
    );
    if (found.length > 0) hashes.set(db, new Map(found));
  }
  return hashes;
}
