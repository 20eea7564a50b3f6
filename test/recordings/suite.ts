import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fixtures, skipWithout } from '../support/fixtures.ts';
import { seedOfTest } from '../support/random.ts';
import { recordedSessions, recordingFolders } from '../support/recordings.ts';
import { waysOf } from './main.ts';
import { replay } from './replay.ts';

type Way = ReturnType<typeof waysOf>[number];

/** Replays every recording that is there in some of the ways, each a test. */
export function replayTests(name: string, isWanted: (way: Way) => boolean): void {
  describe(name, { skip: skipWithout('recordings') }, () => {
    const folder = fixtures('recordings');
    const sessions = folder === undefined ? [] : recordingFolders(folder).flatMap(recordedSessions);
    const seed = seedOfTest();

    it('are there', (t) => {
      t.diagnostic(`AFTERWRITE_SEED=${seed}`);
      assert.ok(sessions.length >= 10, `${sessions.length} sessions`);
    });

    for (const session of sessions) {
      for (const way of waysOf(session, seed).filter(isWanted)) {
        const { name: how, ...options } = way;
        it(`${session.name} leads to the recorded snapshot, histories and final state, ${how}`, async () => {
          assert.deepEqual((await replay(session, options)).slice(0, 10), []);
        });
      }
    }
  });
}
