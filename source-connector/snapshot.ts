import { setImmediate } from 'node:timers/promises';
import { AfterwriteError } from '../ops/errors/index.ts';
import type { Answer, ReplicationSession } from './capture/session.ts';
import type { SnapshotDecoder, SnapshotEvent } from './decode/ports.ts';
import { vanishedCause } from './fold/removal-cause.ts';
import { placeOf, type Shard } from './shard.ts';
import type { Census } from './state/port.ts';
import { checkBreaker, countMissing, type Missing } from './vanished.ts';

const HASHES_A_TURN = 500;
const NOTHING: Missing = { rows: 0, published: 0, causes: {} };

type FullAnswer = Extract<Answer, { kind: 'full' }>;

/**
 * Reads the snapshot of a full resync and publishes how it differs from what was published: hashes as they come,
 * vanished keys only after the end and its checksum (rule 4). Until then the committed position says that a snapshot
 * was being read, so that a crash leads to another full resync, which publishes only what is still missing.
 * @returns the first bytes of the stream, or how the link ended.
 */
export async function readSnapshot(
  shard: Shard,
  session: ReplicationSession,
  answer: FullAnswer,
  decoder: SnapshotDecoder,
): Promise<Buffer | 'broken' | 'stopped'> {
  const { progress, recorder, committer } = shard;
  Object.assign(progress, {
    mode: 'replication',
    replid: answer.replid,
    offset: answer.offset,
    db: 0,
    inTransaction: false,
    snapshot: true,
  });
  recorder.beginSnapshot(answer.replid, answer.offset);
  const reader = new SnapshotReader(shard, decoder);
  const ended = await reader.readHashes(session, answer);
  if (ended !== undefined) return ended;
  const rest = await afterMark(session, answer, decoder.position, decoder.rest());
  if (!Buffer.isBuffer(rest)) return shard.stopping.aborted ? 'stopped' : 'broken';
  session.snapshotRead(rest.length);
  await reader.removeVanished();
  progress.snapshot = false;
  shard.filler?.endAll();
  recorder.endSnapshot();
  await committer.cut(placeOf(shard, answer.offset, progress), performance.now());
  await committer.settled();
  session.acknowledge(answer.offset);
  return rest;
}

class SnapshotReader {
  readonly #shard: Shard;
  readonly #decoder: SnapshotDecoder;
  /** What the snapshot has not shown yet of what the state held at the start; undefined when that was nothing. */
  readonly #unseen: Census | undefined;
  /** When the snapshot was taken, as its own header says (ctime), ms; 0 until it is known. */
  #takenAt = 0;
  #hashes = 0;
  #checksum = '';

  constructor(shard: Shard, decoder: SnapshotDecoder) {
    this.#shard = shard;
    this.#decoder = decoder;
    this.#unseen = shard.state.databases().length === 0 ? undefined : shard.state.census();
  }

  /** Folds hashes until the end of the RDB; says how the link ended when it did before. */
  async readHashes(session: ReplicationSession, answer: FullAnswer): Promise<'broken' | 'stopped' | undefined> {
    const { committer, stopping, told, recorder } = this.#shard;
    const total = answer.transfer.framing === 'length' ? answer.transfer.bytes : undefined;
    for (;;) {
      recorder.at = Date.now();
      for (let event = this.#decoder.next(); event !== undefined; event = this.#decoder.next()) {
        if (this.#take(event)) return undefined;
        if (committer.full) await this.#cut();
        if (this.#hashes % HASHES_A_TURN === 0) await setImmediate();
      }
      committer.check();
      told.snapshotProgress(this.#decoder.position, total);
      const chunk = await session.read();
      if (chunk === null) return stopping.aborted ? 'stopped' : 'broken';
      this.#decoder.push(chunk);
    }
  }

  /** Folds the absence of every key that the snapshot did not show, unless that is too many to be believed. */
  async removeVanished(): Promise<void> {
    const { state, fold, committer, told } = this.#shard;
    // A key that is missing may have moved to another shard.
    await this.#shard.slots?.lookNow(this.#shard.stopping);
    const unseen = this.#unseen;
    const missing =
      unseen === undefined
        ? NOTHING
        : countMissing(this.#shard, (db, key, entry) =>
            unseen.has(db, key) ? vanishedCause(entry, this.#takenAt) : undefined,
          );
    checkBreaker(this.#shard, missing, this.#hashes);
    told.snapshotRead({
      hashes: this.#hashes,
      bytes: this.#decoder.position,
      checksum: this.#checksum,
      missing: missing.causes,
    });
    for (const db of unseen === undefined ? [] : state.databases()) {
      for (const key of state.keys(db)) {
        if (!this.#isMissing(db, key)) continue;
        fold.vanished(db, key, this.#takenAt);
        if (committer.full) await this.#cut();
      }
    }
  }

  #take(event: SnapshotEvent): boolean {
    if (event.kind === 'hash') {
      this.#hashes++;
      this.#unseen?.crossOff(event.db, event.key);
      this.#shard.fold.snapshotHash(event.db, event.key, event.fields, event.expireAt, this.#takenAt);
      return false;
    }
    if (event.kind === 'end') {
      this.#checksum = event.checksum;
      return true;
    }
    if (event.name === 'ctime') this.#takenAt = Number(event.value.toString('latin1')) * 1000;
    return false;
  }

  /** A key that this shard captures, that had a hash when last seen, and that the snapshot does not have. */
  #isMissing(db: number, key: Buffer): boolean {
    return (
      this.#shard.captures(key, 0, key.length) &&
      this.#unseen?.has(db, key) === true &&
      this.#shard.state.get(db, key)?.current != null
    );
  }

  async #cut(): Promise<void> {
    await this.#shard.committer.cut(
      placeOf(this.#shard, this.#shard.progress.offset, this.#shard.progress),
      performance.now(),
    );
  }
}

/** Reads the mark that ends a diskless transfer; returns what follows it, or null when the link broke first. */
async function afterMark(
  session: ReplicationSession,
  answer: FullAnswer,
  read: number,
  first: Buffer,
): Promise<Buffer | null> {
  const { replid, offset, transfer } = answer;
  if (transfer.framing === 'length') {
    if (read === transfer.bytes) return first;
    throw new AfterwriteError(
      'SNAPSHOT_CORRUPT',
      `the snapshot ends after ${read} of the ${transfer.bytes} bytes that its header announced`,
      {
        where: { replid, offset },
      },
    );
  }
  const { mark } = transfer;
  let bytes = first;
  while (bytes.length < mark.length) {
    const chunk = await session.read();
    if (chunk === null) return null;
    bytes = Buffer.concat([bytes, chunk]);
  }
  // The mark repeats from sync to sync, so it is compared where the RDB ends and never searched for.
  if (!bytes.subarray(0, mark.length).equals(mark)) {
    throw new AfterwriteError('SNAPSHOT_CORRUPT', 'the snapshot does not end with the mark that its header announced', {
      where: { replid, offset },
    });
  }
  return bytes.subarray(mark.length);
}
