import { z } from 'zod';
import { duration } from '../../../config/quantities.ts';
import { sinkOptions } from '../../../config/sink.ts';
import { port, text, tls } from '../../../config/values.ts';

/** Cassandra takes no longer one: 20 years. */
const longestTtl = 20 * 365 * 86_400_000;

/** The options of a sink of this kind, as they stand in the configuration. */
export const cassandra = z
  .strictObject({
    kind: z.literal('cassandra'),
    contactPoints: z.array(text).min(1, 'at least one node').describe('nodes to ask first, host or host:port'),
    port: port.default(9042).describe('port of nodes that are named without one, and of those found later'),
    localDataCenter: text.describe('the data center whose nodes are written'),
    user: text.optional(),
    password: text.optional(),
    ssl: tls.optional(),
    keyspace: text.describe('the keyspace of the tables and of afterwrite_offsets'),
    replication: z
      .record(text, z.union([text, z.int().min(1)]))
      .refine((replication) => 'class' in replication, 'a class, as in CREATE KEYSPACE')
      .optional()
      .describe(
        'with create: replication of a keyspace that is missing, such as {class: NetworkTopologyStrategy, dc1: 3}',
      ),
    consistency: z
      .enum(['LOCAL_QUORUM', 'QUORUM', 'EACH_QUORUM', 'ALL'])
      .default('LOCAL_QUORUM')
      .describe('replicas that hold a row before the offset moves'),
    serialConsistency: z
      .enum(['LOCAL_SERIAL', 'SERIAL'])
      .default('LOCAL_SERIAL')
      .describe('SERIAL where the workers of this sink write in several data centers'),
    nulls: z
      .enum(['write', 'unset'])
      .default('write')
      .describe('what a null of an event does to the column: removes its value, or leaves what stands there'),
    ttl: z
      .union(
        [z.literal('expiry'), duration.pipe(z.int().min(1000, 'at least 1 s').max(longestTtl, 'at most 20 years'))],
        {
          error: 'a duration of 1 s to 20 years, such as 7d, or expiry',
        },
      )
      .optional()
      .describe(
        "optional: how long after its event's version a row lives; expiry: as long as its key, by the mapping's expiryColumn",
      ),
    concurrency: z.int().min(1).max(2048).default(128).describe('statements in flight on one connection, at most'),
    ...sinkOptions,
  })
  .describe('a Cassandra cluster');
