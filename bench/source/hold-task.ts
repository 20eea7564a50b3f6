import { z } from 'zod';

/** What the process is asked for: one argument, as JSON. */
export const holdHashesTask = z.object({ hashes: z.int() });

/** What it prints: one line of JSON, in bytes a hash. */
export const holdHashesResult = z.object({
  /** The heap that the state takes. */
  state: z.number(),
  /** What it holds: keys, packed hashes and rows. */
  held: z.number(),
  /** The heap that a full resync takes beside it, in its middle. */
  census: z.number(),
});
export type HoldHashesResult = z.infer<typeof holdHashesResult>;
