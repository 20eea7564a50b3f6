import { openMaster } from '../clients/redis/index.ts';
import type { Followed } from './capture/followed.ts';
import type { Contract } from './contract.ts';
import type { FoldThrough, Numbering } from './fold/options.ts';
import { StagedWrites } from './fold/staged-writes.ts';
import { describeProblem, type MappingView, type RowProblem } from './record/mapping-view.ts';
import type { StateStore } from './state/port.ts';
import { Decider, type DeciderOptions } from './write-through/decider.ts';

/** What fold needs for rows that are written through; undefined where no mapping is. */
export function writeThroughOf(
  contracts: readonly Contract[],
  state: StateStore,
  numbering: Numbering,
  isUnread: (db: number, key: Buffer) => boolean,
): FoldThrough<RowProblem, MappingView> | undefined {
  const databases = contracts.flatMap(({ mapping }) =>
    mapping.writeThroughMs === undefined ? [] : [mapping.database],
  );
  if (databases.length === 0) return undefined;
  return {
    writes: new StagedWrites(state, databases),
    numbering,
    fits: (view, key) => view.fits(key),
    describe: describeProblem,
    isUnread,
  };
}

/** What decides on pending writes, beside the stream. */
export function deciderOf(
  writes: StagedWrites,
  redis: Pick<Followed, 'endpoint'>,
  viewOf: (db: number, key: Buffer) => MappingView | undefined,
  life: Pick<DeciderOptions, 'version' | 'news' | 'stopping'>,
): Decider {
  return new Decider({
    ...life,
    heads: () => writes.heads(),
    termsOf: (db, key) => {
      const mapping = viewOf(db, key)?.mapping;
      if (mapping?.writeThroughMs === undefined) return undefined;
      return { mapping: mapping.name, sinks: mapping.acknowledge, timeoutMs: mapping.writeThroughMs };
    },
    open: async () => await openMaster(await redis.endpoint(), { signal: life.stopping }),
  });
}
