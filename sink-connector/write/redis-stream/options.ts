import { z } from 'zod';
import { sinkOptions } from '../../../config/sink.ts';
import { namedTls, oneOf, port, text, urlOf } from '../../../config/values.ts';
import type { DialectOptions } from '../port.ts';

/** The options of a sink of this kind, as they stand in the configuration. */
export const redisStream = oneOf(
  ['url', 'host', 'nodes'],
  'a url, a host with its port, or nodes',
  z.strictObject({
    kind: z.literal('redis-stream'),
    url: urlOf('redis', 'rediss').optional().describe('redis://[user[:password]@]host[:port]; rediss:// for TLS'),
    host: text.optional().describe('instead of url'),
    port: port.optional().describe('with host; default 6379'),
    nodes: z
      .array(z.string().regex(/^.+:\d+$/, 'host:port'))
      .min(1)
      .optional()
      .describe('instead of url: some nodes of a Redis Cluster, host:port; the others are found'),
    username: text.optional(),
    password: text.optional(),
    tls: namedTls.optional(),
    database: z.int().min(0).default(0).describe('number of the database; a cluster has 0 only'),
    prefix: z.string().default('').describe("what the names of streams begin with, before the table's name"),
    maxLength: z
      .int()
      .min(1)
      .optional()
      .describe('optional: how many entries a stream keeps at least, the oldest ones go; default: all'),
    ...sinkOptions,
  }),
).describe('streams of a Redis server: an entry for each event');

export type RedisStreamConfig = DialectOptions<z.output<typeof redisStream>>;
