import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspectRdb, type InspectedHash } from '../../../source-connector/decode/inspect.ts';
import { readableText } from '../../../schemas/index.ts';
import { cutEvery } from '../../support/cuts.ts';
import { bytes, i64, rdbFile, rdbString } from '../../support/rdb-bytes.ts';

const str = rdbString;
const odd = Buffer.from([0xff, 0]);

const file = rdbFile(
  'REDIS0010',
  [254, 0, 0, ...str('a string'), ...str('x')],
  [4, ...str('person:1'), 3, ...str('name'), ...str('Zoë'), ...str(odd), ...str(''), ...str('b64:x'), ...str(odd)],
  [254, 3, 252, ...i64(4102444800000n), 4, ...str(odd), 1, ...str('__proto__'), ...str('1')],
);

async function* from(pieces: Iterable<Buffer>): AsyncGenerator<Buffer> {
  for (const piece of pieces) {
    await Promise.resolve();
    yield piece;
  }
}

async function list(pieces: Iterable<Buffer>): Promise<InspectedHash[]> {
  const hashes: InspectedHash[] = [];
  for await (const hash of inspectRdb(from(pieces))) hashes.push(hash);
  return hashes;
}

test('an RDB file is listed as hashes whose JSON can be turned back into the bytes', async () => {
  const hashes = await list(cutEvery(file, 10));
  assert.equal(
    JSON.stringify(hashes),
    '[{"db":0,"key":"person:1","fields":{"name":"Zoë","b64:/wA=":"","b64:YjY0Ong=":"b64:/wA="},"expireAt":null},' +
      '{"db":3,"key":"b64:/wA=","fields":{"__proto__":"1"},"expireAt":4102444800000}]',
  );
});

test('text that is UTF-8 is shown as it is, all else as base64', () => {
  for (const text of ['', 'a', 'naïve', '\uFEFFbom', 'line\r\n', 'B64:x'])
    assert.equal(readableText(Buffer.from(text)), text);
  assert.equal(readableText(Buffer.from([0xed, 0xa0, 0x80])), 'b64:7aCA');
  assert.equal(readableText(Buffer.from('b64:')), 'b64:YjY0Og==');
});

test('a file that ends early or is damaged is an error after the hashes before it', async () => {
  await assert.rejects(list([file.subarray(0, -1)]), {
    code: 'RDB_CORRUPT',
    message: /the file ends before its end mark/,
  });
  await assert.rejects(list([]), { code: 'RDB_CORRUPT', message: /position 0/ });
  const damaged = bytes(file);
  damaged.writeUInt8(0x32, damaged.length - 10);
  const seen: InspectedHash[] = [];
  await assert.rejects(
    async () => {
      for await (const hash of inspectRdb(from([damaged]))) seen.push(hash);
    },
    { code: 'RDB_CORRUPT', message: /checksum/ },
  );
  assert.equal(seen.length, 2);
});
