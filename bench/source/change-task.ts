import { z } from 'zod';

/** What the process is asked for: one argument, as JSON. */
export const changeHashesTask = z.object({
  /** How many hashes there are, of how many fields each: three of them are mapped. */
  hashes: z.int(),
  fields: z.int(),
  /** How many HSETs, of a mapped field and another one, are counted, after as many that are not. */
  changes: z.int(),
});
export type ChangeHashesTask = z.infer<typeof changeHashesTask>;

/** What it prints: one line of JSON. */
export const changeHashesResult = z.object({
  /** CPU of all its threads, µs a change. */
  micros: z.number(),
  /** Bytes of the state's log, a change. */
  logBytes: z.number(),
});
export type ChangeHashesResult = z.infer<typeof changeHashesResult>;
