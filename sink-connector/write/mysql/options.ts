import { z } from 'zod';
import { port, text, tls, urlOf, urlOrHost } from '../../../config/values.ts';
import { sinkOptions } from '../../../config/sink.ts';

/** The options of a sink of this kind, as they stand in the configuration. */
export const mysql = urlOrHost(
  z.strictObject({
    kind: z.literal('mysql'),
    url: urlOf('mysql', 'mariadb')
      .refine((url) => !url.includes('?'), { error: 'no options behind "?": TLS is the option ssl' })
      .optional()
      .describe('mysql://user[:password]@host[:port]/database'),
    host: text.optional().describe('instead of url'),
    port: port.optional().describe('with host; default 3306'),
    user: text.optional(),
    password: text.optional(),
    database: text.optional().describe('the database of the tables and of afterwrite_offsets'),
    ssl: tls.optional(),
    acceptUniqueKeys: z
      .boolean()
      .default(false)
      .describe('write tables with further unique keys, where a row may overwrite that of another key'),
    ...sinkOptions,
  }),
).describe('a MySQL or MariaDB database');
