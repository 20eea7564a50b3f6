import { statSync } from 'node:fs';
import type { WideLimits } from '../../source-connector/state/buckets.ts';
import { randomChunks, wholeChunks } from '../support/fake-master.ts';
import { Random, seedOfTest } from '../support/random.ts';
import { recordedSessions, recordingFolders, type RecordedSession } from '../support/recordings.ts';
import { replay, type ReplayOptions } from './replay.ts';

/** Hashes that no other program would call wide. */
const nearlyAll: WideLimits = { fromBytes: 40, bucketFields: 2, bucketBytes: 30 };

/**
 * The ways in which a session is replayed: chunking, the size of batches, crashes and reads beside the stream must never
 * matter.
 */
export function waysOf(
  { links: [first, second] }: RecordedSession,
  seed: number,
): readonly (ReplayOptions & { readonly name: string })[] {
  const ways: (ReplayOptions & { readonly name: string })[] = [
    { name: 'whole', chunking: wholeChunks, batchRecords: 10_000 },
    { name: 'cut at random bytes', chunking: randomChunks(new Random(seed), 2000), batchRecords: 10_000 },
    {
      name: 'cut at random bytes, in small batches',
      chunking: randomChunks(new Random(seed + 1), 20_000),
      batchRecords: 3,
      wide: nearlyAll,
    },
    {
      name: 'cut at random bytes, crashing at random commands',
      chunking: randomChunks(new Random(seed + 2), 20_000),
      batchRecords: 20,
      wide: nearlyAll,
      crashes: new Random(seed + 3),
    },
  ];
  if (first?.final === undefined || second !== undefined) return ways;
  const chunking = randomChunks(new Random(seed + 4), 20_000);
  return [
    ...ways,
    { name: 'with keys read beside the stream', chunking, batchRecords: 10_000, outside: new Random(seed + 5) },
  ];
}

/**
 * `npm run recordings -- FOLDER…`: replays every recording in these folders (of recordings, or of such folders), in one
 * piece, cut at random bytes, with crashes at random commands, and with keys read beside the stream, and ends with `N passed, N failed`.
 * @returns the exit code
 */
export async function replayRecordings(folders: readonly string[]): Promise<number> {
  const sessions = folders.flatMap(sessionsIn);
  if (sessions.length === 0) {
    console.error(
      folders.length === 0
        ? 'Name folders of recordings: npm run recordings -- FOLDER…'
        : `There is no recording in ${folders.join(', ')}.`,
    );
    return 1;
  }
  const seed = seedOfTest();
  console.log(`AFTERWRITE_SEED=${seed}`);
  let passed = 0;
  let failed = 0;
  for (const session of sessions) {
    for (const { name, ...options } of waysOf(session, seed)) {
      const problems = await replay(session, options).catch((error: unknown) => [String(error)]);
      if (problems.length === 0) passed++;
      else failed++;
      console.log(`${problems.length === 0 ? 'ok    ' : 'not ok'} ${session.name}, ${name}`);
      for (const problem of problems.slice(0, 5)) console.log(`         ${problem}`);
      if (problems.length > 5) console.log(`         … and ${problems.length - 5} more`);
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

/** Files beside the folders, as a shell's `*` names them too, are passed over. */
function sessionsIn(folder: string): readonly RecordedSession[] {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  return [folder, ...recordingFolders(folder)].flatMap(recordedSessions);
}
