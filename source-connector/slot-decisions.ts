import { CommandTime } from './command-time.ts';
import type { Shard } from './shard.ts';
import type { SlotMoves } from './slot-moves.ts';
import { checkBreaker } from './vanished.ts';

/** What the events of a slot's arrival name as their command. */
const COMMAND = 'MIGRATE';

/**
 * Decides on slots that have come, stay or are to go, between two commands (rule 10), and commits that.
 * @param cut commits what was folded so far
 * @throws AfterwriteError VANISHED_BREAKER
 */
export async function decideSlots(shard: Shard, slots: SlotMoves, cut: () => Promise<void>): Promise<void> {
  const { committer, recorder, fold, progress } = shard;
  const { replid, offset } = progress;
  if (committer.isBusyBeside) {
    // Else the next owner finds the fields of these operations, and takes them for its own.
    await cut();
    await committer.doneBeside();
  }
  recorder.at = Date.now();
  recorder.offset = offset;
  recorder.command = COMMAND;
  const time = new CommandTime(shard).at({ name: COMMAND, start: offset, end: offset });
  await slots.work({
    place: { replid, offset },
    decide: (db, key, isNew) => {
      fold.decided(db, key, time, isNew);
    },
    cutIfFull: async () => {
      if (committer.full) await cut();
    },
    raiseVersion: (version) => {
      recorder.raiseVersion(version);
    },
    checkVanished: (published, rows) => {
      checkBreaker(shard, { published, rows, causes: { vanished: rows } }, rows + 1);
    },
  });
  await cut();
}
