import { z } from 'zod';
import { sinkOptions } from '../../../config/sink.ts';
import { text } from '../../../config/values.ts';
import type { DialectOptions } from '../port.ts';

/** Not a file: SQLite's names for memory, and what a driver could take for an address. */
const noFile = /^:memory:$|^file:|:\/\//;

/** The options of a sink of this kind, as they stand in the configuration. */
export const sqlite = z
  .strictObject({
    kind: z.literal('sqlite'),
    path: text
      .refine((path) => !noFile.test(path), {
        error: 'the path of a file: the offsets stand beside the rows, so a database in memory would forget both',
      })
      .describe('the database file, on a disk of this machine; made with create: true'),
    ...sinkOptions,
  })
  .describe('a SQLite database');

export type SqliteConfig = DialectOptions<z.output<typeof sqlite>>;
