import { z } from 'zod';

/** What the process is asked for: one argument, as JSON. */
export const readBytesTask = z.object({
  file: z.string(),
  /** Who takes the bytes; `nobody` throws them away. */
  by: z.enum(['nobody', 'snapshot', 'stream']),
  passes: z.int(),
});
export type ReadBytesTask = z.infer<typeof readBytesTask>;

/** What it prints: one line of JSON. */
export const readBytesResult = z.object({
  bytes: z.number(),
  /** Hashes, or commands. */
  items: z.number(),
  seconds: z.number(),
});
export type ReadBytesResult = z.infer<typeof readBytesResult>;
