import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSession } from '../../source-connector/capture/link.ts';
import type { ResumePoint } from '../../source-connector/capture/session.ts';
import { Committer } from '../../source-connector/committer.ts';
import { RdbDecoder } from '../../source-connector/decode/rdb.ts';
import { CommandDecoder } from '../../source-connector/decode/stream.ts';
import { Fold } from '../../source-connector/fold/fold.ts';
import type { Shard } from '../../source-connector/shard.ts';
import { readSnapshot } from '../../source-connector/snapshot.ts';
import { openState } from '../../source-connector/state/open.ts';
import type { StateStore } from '../../source-connector/state/port.ts';
import { followStream } from '../../source-connector/stream.ts';
import { startFakeMaster, type Chunking } from '../support/fake-master.ts';
import { MemorySender } from '../support/memory-sender.ts';
import { canonicalText, type RecordedSession, type RecordedState, type Recording } from '../support/recordings.ts';
import { fieldsOf, PublishedModel, WholeHashView } from './published-model.ts';
import { unprovenTime } from '../support/source/unproven-time.ts';

/** All three prefixes, in all databases: then no value comes from a key that is not captured. */
const PREFIXES = ['person:', 'car:', 'other:'].map((prefix) => Buffer.from(prefix));

function captures(bytes: Buffer, start: number, end: number): boolean {
  return PREFIXES.some(
    (prefix) => end - start >= prefix.length && prefix.compare(bytes, start, start + prefix.length) === 0,
  );
}

/** Whether a key is captured, from its canonical text. (None that a digest stands for has another prefix.) */
function isCaptured(canonical: string): boolean {
  const key = canonical.startsWith('b64:') ? Buffer.from(canonical.slice(4), 'base64') : Buffer.from(canonical);
  return captures(key, 0, key.length);
}

export interface ReplayOptions {
  readonly chunking: Chunking;
  /** Records of a batch: small ones cut often. */
  readonly batchRecords: number;
}

/**
 * Replays a recorded session through a fake master and the real link, decoders, fold, state and batches.
 * @returns what differs from what the server showed; nothing when all is right
 */
export async function replay(session: RecordedSession, options: ReplayOptions): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'afterwrite-replay-'));
  const master = await startFakeMaster(session.links, options.chunking);
  const { store } = await openState(folder, null);
  try {
    const replayer = new Replayer(store, options.batchRecords);
    for (const recording of session.links) await replayer.follow(recording, master.port);
    return [...replayer.problems, ...master.problems];
  } finally {
    await store.close();
    await master.close();
    await rm(folder, { recursive: true, force: true });
  }
}

class Replayer {
  readonly #state: StateStore;
  readonly #model = new PublishedModel();
  readonly #shard: Omit<Shard, 'stopping' | 'told'>;
  readonly #problems: string[] = [];
  readonly #history = this.#model.replay();
  #begun = false;

  constructor(state: StateStore, batchRecords: number) {
    this.#state = state;
    const view = new WholeHashView();
    const committer = new Committer(
      new MemorySender(),
      state,
      { records: batchRecords, bytes: 64 * 1024 * 1024, linger: 1 },
      performance.now(),
      () => undefined,
    );
    this.#model.batch = () => committer.batch;
    this.#shard = {
      state,
      recorder: this.#model,
      fold: new Fold({ state, captures, viewOf: () => view, output: this.#model }),
      committer,
      captures,
      policiesOf: () => view,
      readKey: () => Promise.reject(new Error('no value comes from outside of what a recording holds')),
      clock: unprovenTime,
      clockFloor: { replid: '', ms: 0 },
      progress: { replid: '', offset: 0, db: 0, inTransaction: false, snapshot: false },
      mappings: {},
      breaker: { rows: Infinity, percent: 100, confirmed: Infinity },
      unitLimit: 100_000,
    };
  }

  get problems(): string[] {
    return [...this.#problems, ...this.#model.problems];
  }

  /** Follows one link to its last whole command, and compares snapshot, histories and final state. */
  async follow(recording: Recording, port: number): Promise<void> {
    const { progress } = this.#shard;
    const end = recording.endOffset - recording.partialCommandBytes;
    const stop = new AbortController();
    const stopAtEnd = (): void => {
      if (progress.offset >= end) stop.abort();
    };
    const shard: Shard = { ...this.#shard, stopping: stop.signal, told: { ...SILENT, commands: stopAtEnd } };
    const resume: ResumePoint | null = this.#begun ? { replid: progress.replid, offset: progress.offset } : null;
    this.#begun = true;
    const deadline = setTimeout(() => {
      this.#problems.push(`${recording.name}: offset ${progress.offset} after a minute, and the stream ends at ${end}`);
      stop.abort();
    }, 60_000);
    const session = await openSession(
      { endpoint: () => Promise.resolve({ host: '127.0.0.1', port }) },
      resume,
      stop.signal,
    );
    try {
      let rest = Buffer.alloc(0);
      if (session.answer.kind === 'full') {
        const read = await readSnapshot(shard, session, session.answer, new RdbDecoder({ captures }));
        if (!Buffer.isBuffer(read))
          throw new Error(`the snapshot of ${recording.name} was not read to its end: ${read}`);
        rest = Buffer.from(read);
        this.#compareState(`${recording.name}: snapshot`, recording.snapshot, recording.expiredInRdb);
      }
      progress.replid = this.#model.replid = session.answer.replid;
      const { offset, db, inTransaction } = progress;
      const decoder = new CommandDecoder({ captures, ignoreCommands: new Set(), offset, db, inTransaction });
      decoder.push(rest);
      if (offset < end) await followStream(shard, session, decoder);
      if (progress.offset !== end)
        this.#problems.push(`${recording.name}: ended at offset ${progress.offset}, not at ${end}`);
    } finally {
      clearTimeout(deadline);
      session.close();
    }
    this.#compareHistory(recording);
    this.#compareState(`${recording.name}: final`, recording.final, recording.expiredInRdb);
  }

  /** The state that the source keeps, against what the server showed. Expired keys may still be held. */
  #compareState(what: string, expected: RecordedState | undefined, expired: RecordedState | undefined): void {
    if (expected === undefined) return;
    const held = new Map<string, string>();
    for (const db of this.#state.databases()) {
      for (const key of this.#state.keys(db)) {
        const entry = this.#state.get(db, key);
        if (entry?.current == null) continue;
        held.set(`${db}/${canonicalText(key)}`, `${String(entry.expireAt)} ${asText(fieldsOf(entry.current))}`);
      }
    }
    for (const [where, text] of hashesOf(expected)) {
      const ours = held.get(where);
      held.delete(where);
      if (ours !== text)
        this.#problems.push(`${what}: ${where} is ${short(ours)}, and the server showed ${short(text)}`);
    }
    for (const [where] of expired === undefined ? [] : hashesOf(expired)) held.delete(where);
    for (const [where, text] of held)
      this.#problems.push(`${what}: ${where} is ${short(text)}, and the server showed nothing`);
  }

  /** What was published after each command, against what the server showed then. */
  #compareHistory(recording: Recording): void {
    for (const { offset, command, clock, changes } of recording.history) {
      const rows = this.#history.upTo(offset);
      for (const { db, key, value } of changes) {
        if (!isCaptured(key)) continue;
        const ours = rows.get(`${db}/${key}`) ?? null;
        const theirs = value === null ? null : asText(value);
        // Past a TTL the server hides what the stream deletes a little later.
        if (ours === theirs || clock) continue;
        this.#problems.push(
          `${recording.name}: after offset ${offset} (${command}) ${db}/${key} was published as ${short(ours)}, and the server showed ${short(theirs)}`,
        );
      }
    }
  }
}

const SILENT = {
  commands: () => undefined,
  flushed: () => undefined,
  keyRead: () => undefined,
  snapshotProgress: () => undefined,
  snapshotRead: () => undefined,
};

function* hashesOf(state: RecordedState): Generator<[where: string, text: string]> {
  for (const [db, keys] of state) {
    for (const [key, entry] of keys) {
      if (entry.type !== 'hash' || entry.fields === undefined || !isCaptured(key)) continue;
      yield [`${db}/${key}`, `${String(entry.expireAt)} ${asText(entry.fields)}`];
    }
  }
}

function asText(fields: ReadonlyMap<string, string>): string {
  return JSON.stringify([...fields].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function short(text: string | null | undefined): string {
  if (text == null) return 'nothing';
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
