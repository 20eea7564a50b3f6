import { z } from 'zod';
import { columnName, text, topicSafeName } from '../../../config/values.ts';
import { sinkOptions } from '../../../config/sink.ts';

/** What becomes of a text without characters, which Oracle cannot tell from NULL. */
const emptyText = z.union([z.null(), z.literal('reject'), z.strictObject({ replacement: text })], {
  error: 'null, reject, or an object with replacement',
});

/** The options of a sink of this kind, as they stand in the configuration. */
export const oracle = z
  .strictObject({
    kind: z.literal('oracle'),
    connectString: text.describe('host:port/service, tcps://host:port/service, or a connect descriptor'),
    user: text,
    password: text,
    walletLocation: text.optional().describe('the folder of ewallet.pem, for TLS with a client certificate'),
    walletPassword: text.optional(),
    schema: text.optional().describe('the schema of the tables and of afterwrite_offsets; default: that of the user'),
    names: z
      .enum(['upper', 'exact'])
      .default('upper')
      .describe(
        'upper: names of tables and columns are in upper case, as Oracle takes unquoted ones; exact: as configured',
      ),
    textLength: z
      .int()
      .min(1)
      .max(4000)
      .optional()
      .describe('texts outside the key are created as VARCHAR2 of this many characters; default: CLOB'),
    emptyText: emptyText
      .default(null)
      .describe('what becomes of a text without characters, which is NULL to Oracle: null, reject, or a replacement'),
    emptyTexts: z
      .record(topicSafeName, z.record(columnName, emptyText))
      .default({})
      .describe('the same for single columns, by mapping and column'),
    ...sinkOptions,
  })
  .describe('an Oracle database');
