import assert from 'node:assert/strict';
import { decodeNumber } from '../../../services/oracle-stand-in/oracle-values.ts';
import { TtcReader } from '../../../services/oracle-stand-in/ttc-codec.ts';

/** The answer of a server to a query or a LOB operation, read from its first byte to its last. */
export interface Answer {
  readonly columns: readonly Readonly<Record<string, number | string | boolean>>[];
  readonly rows: readonly (readonly (string | null)[])[];
  readonly end: { readonly number: number; readonly rows: number; readonly message: string } | undefined;
}

interface Draft {
  columns: Record<string, number | string | boolean>[];
  rows: (string | null)[][];
  end: Answer['end'];
}

/**
 * Reads an answer as a client does, whoever wrote it: every byte must be one that the grammars of the stand-in name.
 * @param fieldVersion what both sides know @param marksEnds whether it ends with its mark
 */
export function readAnswer(message: Buffer, fieldVersion: number, marksEnds: boolean): Answer {
  const reader = new TtcReader(message);
  const answer: Draft = { columns: [], rows: [], end: undefined };
  while (answer.end === undefined) readPart(reader, reader.u8(), answer, fieldVersion);
  if (marksEnds) assert.equal(reader.u8(), 29, 'the mark of the end');
  assert.equal(reader.left, 0, 'nothing follows the end');
  return answer;
}

/** The answer to an operation on a LOB, read in the same way; the locator is whoever's it is. */
export function readLobAnswer(
  message: Buffer,
  operation: 'create' | 'write' | 'read',
  fieldVersion: number,
  marksEnds: boolean,
) {
  const reader = new TtcReader(message);
  let kind = reader.u8();
  let data: string | undefined;
  if (kind === 14) {
    data = reader.string();
    kind = reader.u8();
  }
  assert.equal(kind, 8);
  reader.raw(40);
  // The flags behind the character set mean nothing to a client.
  const charset = operation === 'create' ? reader.ub() : undefined;
  if (operation === 'create') reader.u8();
  const amount = operation === 'read' ? reader.ub() : undefined;
  assert.equal(reader.u8(), 4);
  const { number } = readEnd(reader, fieldVersion);
  if (marksEnds) assert.equal(reader.u8(), 29, 'the mark of the end');
  assert.equal(reader.left, 0, 'nothing follows the end');
  return { data, charset, amount, number };
}

function readPart(reader: TtcReader, kind: number, answer: Draft, fieldVersion: number): void {
  switch (kind) {
    case 16:
      reader.bytes();
      reader.ub();
      answer.columns = readColumns(reader, fieldVersion);
      return;
    case 6:
      reader.raw(1);
      reader.skip('nnnnnn');
      return;
    case 7:
      answer.rows.push(answer.columns.map(() => decoded(reader.bytes())));
      return;
    case 8:
      readParameters(reader);
      return;
    case 4:
      answer.end = readEnd(reader, fieldVersion);
      return;
    default:
      assert.fail(`a part of kind ${kind} in an answer`);
  }
}

function decoded(bytes: Buffer | null): string | null {
  return bytes === null ? null : decodeNumber(bytes);
}

function readColumns(reader: TtcReader, fieldVersion: number) {
  const columns = Array.from({ length: reader.ub() }, (_, index) => {
    if (index === 0) reader.u8();
    const type = reader.u8();
    reader.u8();
    const [precision, scale] = [reader.u8(), reader.u8()];
    const size = reader.ub();
    reader.skip('nnn');
    reader.skip('n');
    const [charset, form, characters] = [reader.ub(), reader.u8(), reader.ub()];
    if (fieldVersion >= 8) reader.ub();
    const nullable = reader.u8() !== 0;
    const shortLength = reader.u8();
    const name = reader.text();
    assert.equal(shortLength, Buffer.byteLength(name));
    assert.deepEqual([reader.text(), reader.text()], ['', '']);
    const [position, flags] = [reader.ub(), reader.ub()];
    assert.deepEqual([position, flags], [index, 0]);
    if (fieldVersion >= 17) reader.skip('nn');
    if (fieldVersion >= 20) reader.ub();
    if (fieldVersion >= 24) reader.skip('npp');
    return { type, precision, scale, size, charset, form, characters, nullable, name };
  });
  if (reader.ub() > 0) reader.bytes();
  reader.skip('nnnn');
  if (reader.ub() > 0) reader.bytes();
  return columns;
}

/** parameters := ub(n) ub* ub(n) byte* ub(n) pair* ub(n) byte* */
function readParameters(reader: TtcReader): void {
  const count = reader.ub();
  for (let index = 0; index < count; index++) reader.ub();
  reader.raw(reader.ub());
  const pairs = reader.ub();
  for (let index = 0; index < pairs; index++) reader.pair();
  reader.raw(reader.ub());
}

function readEnd(reader: TtcReader, fieldVersion: number): NonNullable<Answer['end']> {
  reader.skip('nnn');
  const short = reader.ub();
  reader.skip('nnn');
  reader.skip('n');
  reader.raw(6);
  reader.skip('nnpnn');
  reader.skip('nppnn');
  if (reader.ub() > 0) reader.bytes();
  assert.deepEqual([reader.ub(), reader.ub(), reader.ub()], [0, 0, 0], 'no errors of rows');
  const [number, rows] = [reader.ub(), reader.ub()];
  assert.equal(short, number);
  if (fieldVersion >= 14) reader.skip('nn');
  return { number, rows, message: number === 0 ? '' : reader.string() };
}
