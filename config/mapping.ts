import { z } from 'zod';
import { keyPatternProblem, MAX_PRECISION, plainTypes } from '../schemas/index.ts';
import { duration } from './quantities.ts';
import { removalOverrides } from './source.ts';
import { columnName, text, topicSafeName } from './values.ts';

const columnType = z.enum([...plainTypes, 'decimal']);

/** When a write-through has failed, unless told. */
const DEFAULT_TIMEOUT_MS = 10_000;

/** A field of the hash: its column's name, or the column with its type. */
const field = z.union(
  [
    columnName.describe('the column, of type string'),
    z.strictObject({
      column: columnName.optional().describe("default: the field's name"),
      type: columnType.default('string').describe(`one of ${columnType.options.join(', ')}`),
      precision: z.int().min(1).max(MAX_PRECISION).optional().describe('of a decimal: its digits, at most'),
      scale: z.int().min(0).max(MAX_PRECISION).optional().describe('of a decimal: digits after the point; default: 0'),
    }),
  ],
  { error: "a column's name, or an object with column and type" },
);

const keyPattern = text.superRefine((pattern, context) => {
  const problem = keyPatternProblem(pattern);
  if (problem === undefined) return;
  const message = `literal text with {placeholders}, such as order:{region}:{id}; this one ${problem}`;
  context.addIssue({ code: 'custom', message });
});

export const mapping = z
  .strictObject({
    key: keyPattern.describe('pattern of the keys, such as person:{person_id}; the last placeholder takes the rest'),
    keyTypes: z
      .record(columnName, z.enum(['string', 'int', 'long']))
      .default({})
      .describe('types of placeholders that are no strings'),
    database: z.int().min(0).default(0).describe('the Redis database that is read'),
    topic: topicSafeName.optional().describe('default: <pipeline>.<mapping>'),
    version: z
      .string({ error: 'a text in quotes such as "1.4.0"' })
      .regex(/^\d{1,9}\.\d{1,9}\.\d{1,9}$/, 'three numbers, such as 1.4.0')
      .optional()
      .describe('a newer one replaces the mapping; an older one, or an equal one that says something else, is refused'),
    table: text.optional().describe("table of the sinks; default: the mapping's name"),
    fields: z.record(text, field).describe('which fields of the hash become which columns'),
    expiryColumn: columnName
      .optional()
      .describe('a column of type timestamp-millis that tells when the key expires; default: none does'),
    operations: z
      .boolean()
      .default(false)
      .describe('whether the field # of a hash is an operation (=, +, ~ or -, and an id), as rgsync has them'),
    acknowledge: z
      .array(topicSafeName)
      .default([])
      .describe('sinks that tell the client of a command with an id when they have committed it'),
    writeThrough: z
      .union([z.boolean(), z.strictObject({ timeout: duration.prefault('10s').describe('when a write has failed') })], {
        error: 'true, false, or an object with timeout',
      })
      .default(false)
      .transform((wanted) => (wanted === true ? { timeout: DEFAULT_TIMEOUT_MS } : wanted))
      .describe(
        'whether HSET on __{key} writes the databases first and the hash then; the sinks of acknowledge have timeout (default: 10s) for it',
      ),
    before: z.boolean().default(false).describe('whether events carry the row before the change'),
    onBadValue: z
      .enum(['dead-letter', 'null', 'stop'])
      .default('dead-letter')
      .describe('what happens to a hash with a value that its type does not allow'),
    absentFields: z
      .union([z.enum(['null', 'keep']), z.null()], { error: 'null or keep' })
      .default('null')
      .transform((policy) => policy ?? 'null')
      .describe(
        'what fields become that a hash lacks when it is back after its row was kept: null, or what the row has',
      ),
    removals: removalOverrides.default({}).describe("what differs from the source's removals"),
  })
  .describe('which hashes become rows of one table');
