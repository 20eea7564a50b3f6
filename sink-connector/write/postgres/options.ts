import { z } from 'zod';
import { port, text, tls, urlOf, urlOrHost } from '../../../config/values.ts';
import { sinkOptions } from '../../../config/sink.ts';

/** The options of a sink of this kind, as they stand in the configuration. */
export const postgres = urlOrHost(
  z.strictObject({
    kind: z.literal('postgres'),
    url: urlOf('postgres', 'postgresql').optional().describe('postgres://user[:password]@host[:port]/database'),
    host: text.optional().describe('instead of url'),
    port: port.optional().describe('with host; default 5432'),
    user: text.optional(),
    password: text.optional(),
    database: text.optional(),
    ssl: tls.optional(),
    schema: text.default('public').describe('the schema of the tables and of afterwrite_offsets'),
    ...sinkOptions,
  }),
).describe('a PostgreSQL database');
