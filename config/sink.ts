import { z } from 'zod';
import { bytes, duration } from './quantities.ts';
import { columnName, httpServer, text, topicSafeName } from './values.ts';

/** @param rows the default; more where a transaction costs much, however few rows it holds */
export function batchOptions(rows: number) {
  return z
    .strictObject({
      rows: z.int().min(1).default(rows).describe('events of one transaction, at most'),
      bytes: bytes.prefault('16MiB').describe('bytes of one transaction, at most'),
      linger: duration.prefault('20ms').describe('how long after the last batch one that is not full may follow'),
    })
    .prefault({})
    .describe('a batch is written when any of these is reached');
}

/** The options that every kind of sink has. */
export const sinkOptions = {
  mappings: z.array(topicSafeName).min(1, 'at least one mapping').optional().describe('default: all mappings'),
  create: z.boolean().default(false).describe('whether missing tables are created'),
  evolve: z
    .boolean()
    .default(false)
    .describe('whether columns that a table lacks are added to it, nullable; nothing is ever dropped or narrowed'),
  versionColumn: columnName
    .optional()
    .describe("optional guard column of all tables: holds the version of the row's last event"),
  tables: z
    .record(
      topicSafeName,
      z.strictObject({
        name: text.optional().describe("default: the mapping's table"),
        versionColumn: columnName.optional().describe('guard column of this table'),
      }),
    )
    .default({})
    .describe('what differs for the tables of single mappings'),
  batch: batchOptions(5000),
  rejectedRows: z
    .strictObject({
      policy: z
        .enum(['dead-letter', 'stop'])
        .default('dead-letter')
        .describe('what happens to a row that the database does not take: a dead letter, or its partition stops'),
      limit: z
        .int()
        .min(1)
        .default(100)
        .describe('more than this in one batch, or one after the other, stop the partition: then the table is wrong'),
    })
    .prefault({})
    .describe('rows that the database does not take'),
  orphans: z
    .strictObject({
      policy: z
        .enum(['remove', 'keep'])
        .default('remove')
        .describe('whether rows of a table that stand in no record of its topic are removed, or stay'),
      breaker: z
        .strictObject({
          rows: z.int().min(0).default(1000).describe('more orphans of a partition than this stop it'),
          percent: z
            .number()
            .min(0)
            .max(100)
            .default(50)
            .describe("a larger share of the partition's rows stops it, as does a partition without records"),
        })
        .prefault({})
        .describe('how many orphans may be removed before a person must confirm it'),
    })
    .prefault({})
    .describe(
      'rows that the topic does not hold, found after an absence that tombstones do not last, or before a first fill',
    ),
  http: httpServer(8471).describe('metrics and health of the sink process'),
};
