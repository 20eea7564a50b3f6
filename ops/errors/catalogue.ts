import { configuration } from './codes/configuration.ts';
import { kafka } from './codes/kafka.ts';
import { program } from './codes/program.ts';
import { redis } from './codes/redis.ts';
import { sink } from './codes/sink.ts';
import { source } from './codes/source.ts';
import type { CatalogueEntry } from './entry.ts';

/**
 * Every error that this project raises on purpose. The code is stable: scripts and alerts may match it.
 * By room, in the order of the flow; a code stands in one of them.
 */
export const catalogue = {
  ...configuration,
  ...redis,
  ...source,
  ...kafka,
  ...sink,
  ...program,
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof catalogue;
