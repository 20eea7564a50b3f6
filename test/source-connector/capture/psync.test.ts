import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeCommand, parseTransfer, parseVerdict, psyncCommand } from '../../../source-connector/capture/psync.ts';

const id = 'a'.repeat(40);
const otherId = 'b'.repeat(40);
const resume = { replid: id, offset: 1234 };

test('a command is an array of bulk strings, counted in bytes', () => {
  assert.equal(encodeCommand(['AUTH', 'pässword']), '*2\r\n$4\r\nAUTH\r\n$9\r\npässword\r\n');
});

test('PSYNC asks for the byte after the last one that was read', () => {
  assert.deepEqual(psyncCommand(resume), ['PSYNC', id, '1235']);
  assert.deepEqual(psyncCommand(null), ['PSYNC', '?', '-1']);
});

test('a full resync names its replid and the offset at which its stream begins', () => {
  const full = { kind: 'full', replid: otherId, offset: 99 };
  assert.deepEqual(parseVerdict(`+FULLRESYNC ${otherId} 99`, resume), full);
  assert.deepEqual(parseVerdict(`+FULLRESYNC ${otherId} 99`, null), full);
});

test('a continued stream keeps its offset, and its replid unless the master names a new one', () => {
  assert.deepEqual(parseVerdict('+CONTINUE', resume), { kind: 'continue', ...resume });
  assert.deepEqual(parseVerdict(`+CONTINUE ${otherId}`, resume), { kind: 'continue', replid: otherId, offset: 1234 });
});

for (const line of [
  '+OK',
  '+FULLRESYNC',
  `+FULLRESYNC ${id}`,
  `+FULLRESYNC ${id} -1`,
  `+FULLRESYNC ${id} 1e3`,
  `+FULLRESYNC ${id} 99999999999999999999`,
  `+FULLRESYNC short 99`,
  `+FULLRESYNC ${id} 99 100`,
  '+CONTINUE short',
  `+CONTINUE ${id} 99`,
]) {
  test(`"${line}" is no answer to PSYNC`, () => {
    assert.throws(() => parseVerdict(line, resume), { code: 'REDIS_PROTOCOL' });
  });
}

test('a stream that nobody asked to continue is no answer', () => {
  assert.throws(() => parseVerdict(`+CONTINUE ${id}`, null), { code: 'REDIS_PROTOCOL' });
});

test('a transfer is framed by its length or by a mark of 40 bytes', () => {
  assert.deepEqual(parseTransfer('$175'), { framing: 'length', bytes: 175 });
  const mark = 'f0'.repeat(20);
  assert.deepEqual(parseTransfer(`$EOF:${mark}`), { framing: 'eof', mark: Buffer.from(mark) });
});

for (const line of ['$', '$-1', '$EOF:', `$EOF:${'a'.repeat(39)}`, `$EOF:${'a'.repeat(41)}`, '+175', '$12x']) {
  test(`"${line}" is no header of a snapshot`, () => {
    assert.throws(() => parseTransfer(line), { code: 'REDIS_PROTOCOL' });
  });
}

test('what cannot be understood is shown, shortened, with control characters escaped', () => {
  const error = {
    code: 'REDIS_PROTOCOL',
    message: /"\+HTTP\\u0000x{70,}.*…" arrived where an answer to PSYNC belongs/,
  };
  assert.throws(() => parseVerdict(`+HTTP\0${'x'.repeat(500)}`, null), error);
});
