import { z } from 'zod';
import { batchOptions, sinkOptions } from '../../../config/sink.ts';
import { text, urlOf } from '../../../config/values.ts';

const signIn = z.strictObject({
  kind: z.literal('snowflake'),
  account: text.describe('the account identifier, such as myorg-myaccount'),
  url: urlOf('https', 'http').optional().describe('instead of https://<account>.snowflakecomputing.com'),
  user: text,
  password: text.optional(),
  privateKey: text.optional().describe('instead of password: PEM (PKCS#8), usually ${file:/path}'),
  privateKeyPassphrase: text.optional().describe('of a key that is encrypted'),
  role: text.optional().describe("default: the user's"),
  warehouse: text.describe('the warehouse that works for this sink'),
  database: text,
  schema: text.default('PUBLIC').describe('the schema of the tables and of the bookkeeping tables'),
  identifiers: z
    .enum(['upper', 'exact'])
    .default('upper')
    .describe(
      'names of schemas, tables and columns: in capitals, as SQL without quotes has them, or as the mapping has them',
    ),
  ...sinkOptions,
  batch: batchOptions(10_000),
});

const always = { when: () => true };

/** The options of a sink of this kind, as they stand in the configuration. */
export const snowflake = signIn
  .refine((options) => (options.password === undefined) !== (options.privateKey === undefined), {
    error: 'a password or a privateKey, and not both',
    ...always,
  })
  .refine((options) => options.privateKeyPassphrase === undefined || options.privateKey !== undefined, {
    error: 'privateKeyPassphrase is that of a privateKey',
    ...always,
  })
  .describe('a Snowflake account');
