import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSession } from '../../source-connector/capture/link.ts';
import type { ResumePoint } from '../../source-connector/capture/session.ts';
import type { CapturesKey } from '../../source-connector/decode/ports.ts';
import { RdbDecoder } from '../../source-connector/decode/rdb.ts';
import type { Shard } from '../../source-connector/shard.ts';
import type { WideLimits } from '../../source-connector/state/buckets.ts';
import { readSnapshot } from '../../source-connector/snapshot.ts';
import { followStream } from '../../source-connector/stream.ts';
import { wholeOf } from '../../source-connector/wide-hash.ts';
import { startFakeMaster, type Chunking } from '../support/fake-master.ts';
import type { Random } from '../support/random.ts';
import { canonicalText, type RecordedSession, type RecordedState, type Recording } from '../support/recordings.ts';
import { Life } from '../support/source/life.ts';
import { Crash, fieldsOf, PublishedModel } from '../support/source/published-model.ts';
import { RecordedServer } from './recorded-server.ts';

const INSIDE = ['person:', 'car:'];
const OUTSIDE = 'other:';

/** Keys of these prefixes, in all databases. */
function capturesOf(prefixes: readonly string[]): CapturesKey {
  const starts = prefixes.map((prefix) => Buffer.from(prefix));
  return (bytes, start, end) =>
    starts.some((prefix) => end - start >= prefix.length && prefix.compare(bytes, start, start + prefix.length) === 0);
}

export interface ReplayOptions {
  readonly chunking: Chunking;
  /** Records of a batch: small ones cut often. */
  readonly batchRecords: number;
  /** Which hashes the state keeps in pieces; as the product does unless told. */
  readonly wide?: WideLimits;
  /** Where the process crashes; nowhere without. */
  readonly crashes?: Random;
  /**
   * Set where `other:` is not captured, so that what comes from there is read beside the stream, a little later; else
   * all three prefixes are, and no value comes from outside.
   */
  readonly outside?: Random;
}

/** Crashes in one link. */
const CRASHES = 4;

/**
 * Replays a recorded session through a fake master and the real link, decoders, fold, state and batches.
 * @returns what differs from what the server showed; nothing when all is right
 */
export async function replay(session: RecordedSession, options: ReplayOptions): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'afterwrite-replay-'));
  const master = await startFakeMaster(session.links, options.chunking);
  const replayer = await Replayer.begin(folder, options);
  try {
    for (const [link, recording] of session.links.entries()) {
      master.serve(link);
      await replayer.follow(recording, link, master.port);
    }
    return [...replayer.problems, ...master.problems];
  } finally {
    await replayer.close();
    await master.close();
    await rm(folder, { recursive: true, force: true });
  }
}

class Replayer {
  readonly #folder: string;
  readonly #options: ReplayOptions;
  readonly #model: PublishedModel;
  readonly #captures: CapturesKey;
  readonly #problems: string[] = [];
  #life: Life;
  #begun = false;

  private constructor(
    folder: string,
    options: ReplayOptions,
    captures: CapturesKey,
    model: PublishedModel,
    life: Life,
  ) {
    this.#folder = folder;
    this.#options = options;
    this.#captures = captures;
    this.#model = model;
    this.#life = life;
  }

  static async begin(folder: string, options: ReplayOptions): Promise<Replayer> {
    const model = new PublishedModel();
    const captures = capturesOf(options.outside === undefined ? [...INSIDE, OUTSIDE] : INSIDE);
    const life = await Life.begin({ ...options, folder, model, captures });
    return new Replayer(folder, options, captures, model, life);
  }

  get problems(): string[] {
    return [...this.#problems, ...this.#model.problems];
  }

  async close(): Promise<void> {
    await this.#life.close();
  }

  /** Follows one link to its last whole command, and compares snapshot, histories and final state. */
  async follow(recording: Recording, link: number, port: number): Promise<void> {
    this.#model.link = link;
    const { crashes } = this.#options;
    for (let left = crashes === undefined ? 0 : CRASHES; ; left--) {
      const steps = recording.commands + (recording.snapshot?.get(0)?.size ?? 0);
      this.#model.crashAfter = left <= 0 || crashes === undefined ? Infinity : crashes.below(steps);
      try {
        await this.#followOnce(recording, port);
        break;
      } catch (error) {
        if (!(error instanceof Crash) || crashes === undefined) throw error;
        await this.#crash(crashes.chance(0.5));
      }
    }
    this.#model.crashAfter = Infinity;
    // What is read later lacks a part of its history.
    if (this.#options.outside === undefined) this.#compareHistory(recording, link);
    this.#compareState(`${recording.name}: final`, recording.final, recording.expiredInRdb);
  }

  async #crash(commitUnderwayCounts: boolean): Promise<void> {
    const last = this.#life;
    const position = await last.crash(commitUnderwayCounts);
    this.#model.forget((batch) => last.wasCommitted(batch));
    const options = { ...this.#options, folder: this.#folder, model: this.#model, captures: this.#captures };
    this.#life = await Life.begin(options, position);
    this.#begun = this.#life.goesOn;
  }

  async #followOnce(recording: Recording, port: number): Promise<void> {
    const stop = new AbortController();
    const { progress } = this.#life.shard;
    const end = recording.endOffset - recording.partialCommandBytes;
    const whole = this.#life.with(stop.signal, {
      commands: () => {
        if (progress.offset >= end) stop.abort();
      },
    });
    const { outside } = this.#options;
    const server = outside === undefined ? undefined : new RecordedServer(recording, outside);
    const readKeys: Shard['readKeys'] = (keys, fence) =>
      server === undefined
        ? whole.readKeys(keys, fence, stop.signal)
        : Promise.resolve(keys.map(({ db, key }) => server.read(db, key, fence)));
    // Each is read at once: a server that was recorded is behind the stream, and no key is held back across a SWAPDB.
    const shard = { ...whole, readKeys, keysARead: 1 };
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
        const read = await readSnapshot(shard, session, session.answer, new RdbDecoder({ captures: this.#captures }));
        if (!Buffer.isBuffer(read))
          throw new Error(`the snapshot of ${recording.name} was not read to its end: ${read}`);
        rest = Buffer.from(read);
        this.#compareState(`${recording.name}: snapshot`, recording.snapshot, recording.expiredInRdb);
      }
      progress.replid = this.#model.replid = session.answer.replid;
      const decoder = this.#life.decoder();
      decoder.push(rest);
      const ended = progress.offset < end ? await followStream(shard, session, decoder) : 'stopped';
      if (typeof ended === 'object') this.#problems.push(`${recording.name}: ${ended.reason}`);
      if (progress.offset !== end)
        this.#problems.push(`${recording.name}: ended at offset ${progress.offset}, not at ${end}`);
    } finally {
      clearTimeout(deadline);
      session.close();
    }
  }

  /** The state that the source keeps, against what the server showed. Expired keys may still be held. */
  #compareState(what: string, expected: RecordedState | undefined, expired: RecordedState | undefined): void {
    if (expected === undefined) return;
    const held = new Map<string, string>();
    const { state } = this.#life.shard;
    for (const db of state.databases()) {
      for (const key of state.keys(db)) {
        const entry = state.get(db, key);
        if (entry?.current == null) continue;
        held.set(
          `${db}/${canonicalText(key)}`,
          `${String(entry.expireAt)} ${asText(fieldsOf(wholeOf(entry.current)))}`,
        );
      }
    }
    for (const [where, text] of this.#hashesOf(expected)) {
      const ours = held.get(where);
      held.delete(where);
      if (ours !== text)
        this.#problems.push(`${what}: ${where} is ${short(ours)}, and the server showed ${short(text)}`);
    }
    for (const [where] of expired === undefined ? [] : this.#hashesOf(expired)) held.delete(where);
    for (const [where, text] of held)
      this.#problems.push(`${what}: ${where} is ${short(text)}, and the server showed nothing`);
  }

  *#hashesOf(state: RecordedState): Generator<[where: string, text: string]> {
    for (const [db, keys] of state) {
      for (const [key, entry] of keys) {
        if (entry.type !== 'hash' || entry.fields === undefined || !this.#isCaptured(key)) continue;
        yield [`${db}/${key}`, `${String(entry.expireAt)} ${asText(entry.fields)}`];
      }
    }
  }

  /** Whether a key is captured, from its canonical text. (None that a digest stands for has another prefix.) */
  #isCaptured(canonical: string): boolean {
    const key = canonical.startsWith('b64:') ? Buffer.from(canonical.slice(4), 'base64') : Buffer.from(canonical);
    return this.#captures(key, 0, key.length);
  }

  /** What was published after each command, against what the server showed then. */
  #compareHistory(recording: Recording, link: number): void {
    const history = this.#model.replay(link);
    for (const { offset, command, clock, changes } of recording.history) {
      const rows = history.upTo(offset);
      for (const { db, key, value } of changes) {
        if (!this.#isCaptured(key)) continue;
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

function asText(fields: ReadonlyMap<string, string>): string {
  return JSON.stringify([...fields].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function short(text: string | null | undefined): string {
  if (text == null) return 'nothing';
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
