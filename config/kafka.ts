import { z } from 'zod';
import { bytes, duration } from './quantities.ts';
import { text, tls, urlOf } from './values.ts';

export const kafka = z
  .strictObject({
    brokers: z.array(text).min(1, 'at least one host:port').describe('host:port of the brokers to begin with'),
    ssl: tls.optional(),
    sasl: z
      .strictObject({
        mechanism: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']),
        username: text,
        password: text,
      })
      .optional()
      .describe('how to log in to the brokers'),
    maxRecordBytes: bytes
      .prefault(1_048_576)
      .describe('the largest record, for topics and producers alike; what is larger becomes a dead letter'),
    topics: z
      .strictObject({
        partitions: z.int().min(1).default(4).describe("partitions of each mapping's topic; fixed once it exists"),
        replicationFactor: z.int().min(1).max(32767).default(1).describe('copies of each partition'),
        deleteRetention: duration
          .prefault('7d')
          .describe('how long a tombstone is kept: the longest a sink may be away without comparing keys'),
        minCompactionLag: duration.prefault('1h').describe('how long a record is safe from compaction'),
      })
      .prefault({})
      .describe('how topics are created, and what is checked on those that exist'),
  })
  .describe('the Kafka cluster');

export const registry = z
  .strictObject({
    url: urlOf('http', 'https').describe('base URL, with its path when it has one'),
    username: text.optional(),
    password: text.optional(),
  })
  .describe('the schema registry: Confluent, or compatible with it');
