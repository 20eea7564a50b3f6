import { z } from 'zod';
import { bytes, duration } from './quantities.ts';
import { httpServer, namedTls, port, text, oneOf, urlOf } from './values.ts';

/** What a removal that somebody or something caused does to the row. */
const removalPolicy = z.enum(['delete', 'keep']);

/** The policies of a pipeline. A cache entry that expires is no delete in the database, unless the user says so. */
export const removals = z.strictObject({
  deleted: removalPolicy.default('delete').describe('DEL, UNLINK, an overwrite, a rename away'),
  expired: removalPolicy.default('keep').describe('the key outlived its TTL'),
  evicted: removalPolicy.default('keep').describe('the server needed memory'),
  flushed: removalPolicy.default('keep').describe('FLUSHDB, FLUSHALL'),
  vanished: removalPolicy.default('delete').describe('found missing by a full resync'),
  ambiguous: removalPolicy.default('keep').describe('the cause cannot be proven'),
});

/** The policies of one mapping: only what differs from the pipeline's. */
export const removalOverrides = z.strictObject({
  deleted: removalPolicy.optional(),
  expired: removalPolicy.optional(),
  evicted: removalPolicy.optional(),
  flushed: removalPolicy.optional(),
  vanished: removalPolicy.optional(),
  ambiguous: removalPolicy.optional(),
});

const sentinel = z.strictObject({
  name: text.describe('what the Sentinels call the master'),
  sentinels: z
    .array(z.string().regex(/^(\[[^\]]+\]|[^:[\]]+)(:\d+)?$/, 'host[:port], port 26379 by default'))
    .min(1, 'at least one Sentinel, best all of them')
    .describe('their addresses, host[:port]; best all of them'),
  username: text.optional().describe('at the Sentinels; those of source are for the servers'),
  password: text.optional(),
  tls: namedTls.optional().describe('as source.tls, for the Sentinels'),
});

/** The names of the ways to say which servers are captured. */
const ways = ['url', 'host', 'sentinel', 'nodes'] as const;

export const source = oneOf(
  ways,
  'a url, a host with its port, sentinel, or nodes',
  z.strictObject({
    url: urlOf('redis', 'rediss').optional().describe('redis://[user[:password]@]host[:port]; rediss:// for TLS'),
    host: text.optional().describe('instead of url'),
    nodes: z
      .array(z.string().regex(/^.+:\d+$/, 'host:port'))
      .min(1)
      .optional()
      .describe('instead of url: some nodes of a Redis Cluster, host:port; the others are found'),
    port: port.optional().describe('with host; default 6379'),
    sentinel: sentinel.optional().describe('instead of url: the servers that Sentinels watch'),
    prefer: z
      .enum(['replica', 'master'])
      .default('replica')
      .describe('which of several servers is followed; a master only if no replica can be'),
    username: text.optional(),
    password: text.optional(),
    tls: namedTls.optional(),
    state: text
      .regex(/^(?!.*\$\{command:)/, 'a path, which no command tells')
      .default('./afterwrite-state')
      .describe('folder of the local state'),
    mode: z
      .enum(['auto', 'replication', 'notifications'])
      .default('auto')
      .describe(
        'how the server is followed: by its replication stream, by its keyspace notifications, or by the stream where it gives that, else by notifications',
      ),
    notifications: z
      .strictObject({
        compareEvery: duration.prefault('15m').describe('how often all keys are compared with what was published'),
        keysPerSecond: z
          .int()
          .min(1)
          .default(20_000)
          .describe('how many keys a second a comparison may ask the server for'),
        waitingKeys: z
          .int()
          .min(1)
          .default(100_000)
          .describe('changed keys that may wait to be read; when there are more, all keys are compared'),
        linger: duration.prefault('5ms').describe('how long a changed key waits for more changes before it is read'),
      })
      .prefault({})
      .describe('following the server by keyspace notifications'),
    removals: removals.prefault({}).describe('what each cause of a removal does to the row'),
    breaker: z
      .strictObject({
        rows: z.int().min(0).default(1000).describe('more vanished rows than this stop the shard'),
        percent: z.number().min(0).max(100).default(50).describe('a larger share of vanished rows stops the shard'),
      })
      .prefault({})
      .describe('how much may vanish in a full resync before a person must confirm it'),
    batch: z
      .strictObject({
        records: z.int().min(1).default(10_000).describe('records of one Kafka transaction, at most'),
        bytes: bytes.prefault('8MiB').describe('bytes of one Kafka transaction, at most'),
        linger: duration.prefault('10ms').describe('how long a transaction waits for more records'),
      })
      .prefault({}),
    toleratedOutage: duration
      .prefault('60s')
      .describe('a backlog that would not hold the stream of so long is warned of'),
    spillBytes: bytes
      .prefault('1GiB')
      .describe(
        'how much of the stream may wait for Kafka on disk, beside the state; then the link is closed until it is taken',
      ),
    group: z
      .strictObject({
        sessionTimeout: duration
          .prefault('6s')
          .describe('how long a worker may be silent before the others take its shards; brokers allow 6s to 30m'),
      })
      .prefault({})
      .describe('the workers that share the shards'),
    ignoreCommands: z
      .array(text)
      .default([])
      .describe(
        'unknown commands that change no other keys than those they name; mapped keys among their arguments are read again',
      ),
    http: httpServer(8470).describe('metrics and health of the source process'),
  }),
)
  // One of them is a mistake, and the wrong guess would send the password in the open.
  .refine(({ url, tls }) => !(tls === false && url?.startsWith('rediss:') === true), {
    path: ['tls'],
    error: 'true or its parts beside a URL that begins with rediss://; or redis:// for no TLS',
  })
  .refine(({ nodes, mode }) => nodes === undefined || mode !== 'notifications', {
    path: ['mode'],
    error: 'auto or replication with nodes: key events do not tell a key that moves to another node from one that goes',
  })
  .describe('the Redis server to capture');
