import { setImmediate } from 'node:timers/promises';
import { reasonOf } from '../ops/errors/index.ts';
import type { ReplicationSession } from './capture/session.ts';
import { CommandTime } from './command-time.ts';
import type { DecodedCommand, Mutation } from './decode/mutation.ts';
import type { StreamDecoder } from './decode/ports.ts';
import type { FoldTime, Unresolved } from './fold/change.ts';
import type { HeldKey } from './held-keys.ts';
import { LongCommands } from './long-commands.ts';
import { packNamesAndValues } from './packed-hash.ts';
import { placeOf, type LinkEnd, type Shard } from './shard.ts';
import { decideSlots } from './slot-decisions.ts';

/** After this many commands the event loop gets a turn, so that timers, ACKs and HTTP answers are not late. */
const COMMANDS_A_TURN = 1000;

/** Follows the command stream of one link until it breaks, the shard is stopped, or the stream does not say enough. */
export async function followStream(
  shard: Shard,
  session: ReplicationSession,
  decoder: StreamDecoder,
): Promise<LinkEnd> {
  const { committer, filler } = shard;
  const follower = new Follower(shard, session, decoder);
  let pending = session.read();
  for (;;) {
    const unresolved = await follower.foldBuffered();
    if (unresolved !== undefined) return unresolved;
    committer.check();
    const failed = await follower.fill();
    if (failed !== undefined) return failed;
    const may = !decoder.inTransaction && !follower.holds;
    // Taken before it is asked what is due: what becomes due after that is heard.
    const slotsChange = shard.slots?.changed;
    if (may && shard.slots?.isDue(shard.progress) === true) {
      await decideSlots(shard, shard.slots, () => follower.cut());
      continue;
    }
    const due = may ? follower.dueIn() : undefined;
    if (due === 0 && committer.underway === undefined) {
      await follower.cut();
      continue;
    }
    const wake = may ? filler?.wake(committer.full) : undefined;
    const events = [committer.underway, wake, slotsChange];
    const chunk = await firstOf(pending, events, due === 0 ? undefined : due);
    if (chunk === undefined) continue;
    if (chunk === null) return await follower.finish();
    decoder.push(chunk);
    pending = session.read();
  }
}

class Follower {
  readonly #shard: Shard;
  readonly #session: ReplicationSession;
  readonly #decoder: StreamDecoder;
  readonly #time: CommandTime;
  readonly #long: LongCommands;
  #ackSoon = false;
  #ended = false;

  constructor(shard: Shard, session: ReplicationSession, decoder: StreamDecoder) {
    this.#shard = shard;
    this.#session = session;
    this.#decoder = decoder;
    this.#time = new CommandTime(shard);
    this.#long = new LongCommands(shard);
    shard.slots?.newLink();
  }

  /** Whether keys are held back: no position may be committed until the stream has come to where they were read. */
  get holds(): boolean {
    return !this.#shard.held.isEmpty;
  }

  /** Folds every command that is complete; cuts batches where that is allowed. */
  async foldBuffered(): Promise<Unresolved | undefined> {
    const { committer, recorder, told } = this.#shard;
    recorder.at = Date.now();
    let commands = 0;
    for (let command = this.#decoder.next(); command !== undefined; command = this.#decoder.next()) {
      this.#release(command.start);
      if (this.#needsEvictions(command)) await this.#shard.clock.reach(command.end);
      if (this.#mayBeMove(command)) await this.#lookForMoves(command);
      if (this.#long.isLong(command)) {
        // The batches of a long command could not be cut.
        const left = this.holds ? tooFarBehind(command) : await this.#long.fold(command, this.#time.at(command));
        if (left !== undefined) return left;
      } else {
        for (const unresolved of this.#fold(command)) {
          const left = await this.#hold(unresolved, command);
          if (left !== undefined) return left;
        }
      }
      this.#keepProgress();
      if (this.holds && committer.overfull) return tooFarBehind(command);
      if (!this.holds && committer.full && (!this.#decoder.inTransaction || committer.overfull)) await this.cut();
      if (++commands % COMMANDS_A_TURN === 0) {
        await setImmediate();
        recorder.at = Date.now();
      }
    }
    this.#release(this.#decoder.offset);
    this.#keepProgress();
    told.commands(commands);
    if (committer.idle) {
      if (!this.holds) told.upToDate(this.#shard.progress.replid, this.#decoder.offset);
      if (this.#ackSoon) this.#acknowledge(this.#decoder.offset);
    }
    return undefined;
  }

  /** How long until what was folded has to be committed, ms; undefined when nothing waits. */
  dueIn(): number | undefined {
    const { committer, filler } = this.#shard;
    return filler?.isDue === true ? 0 : committer.dueIn(performance.now(), this.#decoder.offset);
  }

  /** Goes on with mappings that are being filled, where the stream stands between two units. */
  async fill(): Promise<Unresolved | undefined> {
    const { filler } = this.#shard;
    const { inTransaction, offset } = this.#decoder;
    if (filler === undefined || inTransaction || this.holds) return undefined;
    const failed = await filler.step({ shard: this.#shard, offset, cut: () => this.cut() });
    if (failed !== undefined) return failed;
    for (const place of filler.takeStubborn()) {
      const reason = 'a key that changes faster than it can be read beside the stream';
      const left = await this.#hold({ kind: 'unresolved', reason, ...place }, { name: 'SNAPSHOT', end: offset });
      if (left !== undefined) filler.readLater(place.db, place.key);
    }
    return undefined;
  }

  /** Commits what was folded so far, and acknowledges it to the master when Kafka has it. */
  async cut(): Promise<void> {
    const { committer, progress, filler } = this.#shard;
    const { offset } = progress;
    await committer.cut(placeOf(this.#shard, offset, progress), performance.now());
    filler?.committed();
    void committer.underway?.then(() => {
      if (!this.#ended && !committer.failed) this.#acknowledge(offset);
    });
  }

  /**
   * The link is gone. A person's stop commits what is whole; after a break all of it, held keys too, waits for the next
   * link.
   */
  async finish(): Promise<LinkEnd> {
    const { committer, stopping } = this.#shard;
    if (!stopping.aborted) {
      this.#ended = true;
      return 'broken';
    }
    // A half of a MULTI is not committed: the next start reads it again from before the MULTI. So is what came since a
    // key was held back.
    if (!this.#decoder.inTransaction && !this.holds && this.dueIn() !== undefined) await this.cut();
    await committer.settled();
    this.#ended = true;
    return 'stopped';
  }

  #acknowledge(offset: number): void {
    this.#session.acknowledge(offset, this.#ackSoon);
    this.#ackSoon = false;
  }

  #keepProgress(): void {
    const { progress } = this.#shard;
    progress.offset = this.#decoder.offset;
    progress.db = this.#decoder.db;
    progress.inTransaction = this.#decoder.inTransaction;
  }

  /** Whether the command removes published rows, and the server may have sent it for an eviction. */
  #needsEvictions({ name, mutations }: DecodedCommand): boolean {
    const { clock, state, policiesOf } = this.#shard;
    if ((name !== 'DEL' && name !== 'UNLINK') || !clock.mayEvict) return false;
    return mutations.some(
      (one) =>
        one.kind === 'remove' &&
        policiesOf(one.db, one.key) !== undefined &&
        state.get(one.db, one.key)?.published != null,
    );
  }

  /** Whether the command removes published rows of a cluster's shard, which may have moved to another one. */
  #mayBeMove({ name, mutations }: DecodedCommand): boolean {
    const { slots, state } = this.#shard;
    if (slots === undefined) return false;
    return mutations.some(
      (one) =>
        one.kind === 'flush' ||
        (one.kind === 'remove' &&
          (name === 'DEL' || name === 'UNLINK') &&
          slots.publishes(one.key) &&
          state.get(one.db, one.key)?.published != null),
    );
  }

  async #lookForMoves({ mutations, end }: DecodedCommand): Promise<void> {
    const { slots, stopping, progress } = this.#shard;
    if (slots === undefined) return;
    await slots.reach(this.#decoder.offset + this.#decoder.buffered, stopping);
    const place = { replid: progress.replid, offset: end };
    for (const one of mutations) {
      if (one.kind === 'remove') slots.removal(one.key, place);
      else if (one.kind === 'flush') slots.flush(place);
    }
  }

  /** @returns the keys that the stream does not say enough of */
  #fold(command: DecodedCommand): readonly Unresolved[] {
    const { recorder, fold } = this.#shard;
    if (command.kind === 'getack') this.#ackSoon = true;
    if (command.kind === 'begin') recorder.beginTransaction(command.start);
    if (command.kind === 'commit') recorder.endTransaction();
    if (command.kind !== 'write') return RESOLVED;
    const time = this.#time.at(command);
    recorder.offset = command.end;
    recorder.command = command.name;
    let open = RESOLVED;
    for (const mutation of command.mutations) {
      if (mutation.kind === 'flush' || mutation.kind === 'swap') continue;
      const unresolved = this.holds ? this.#foldBeside(mutation, time) : fold.apply(mutation, time);
      if (unresolved !== undefined) open = [...open, unresolved];
    }
    return open;
  }

  /** As fold does, but what is said of a held key is in its value already, and what goes out of it is not known. */
  #foldBeside(mutation: KeyMutation, time: FoldTime): Unresolved | undefined {
    const { fold, captures, held } = this.#shard;
    if (mutation.kind !== 'rename' && mutation.kind !== 'copy') {
      return held.has(mutation.db, mutation.key) ? undefined : fold.apply(mutation, time);
    }
    const { kind, fromDb, from, toDb, to } = mutation;
    if (held.has(fromDb, from)) {
      if (!captures(to, 0, to.length)) return undefined;
      const reason = `${time.command} from a key whose value is being read`;
      return { kind: 'unresolved', reason, db: toDb, key: Buffer.from(to) };
    }
    if (!held.has(toDb, to)) return fold.apply(mutation, time);
    return kind === 'rename' ? fold.apply({ kind: 'remove', db: fromDb, key: from }, time) : undefined;
  }

  /**
   * Reads the key that the stream does not say enough of, and holds it back until the stream has come to where it was
   * read. @returns what a full resync has to find out, when the key cannot be read
   */
  async #hold(
    unresolved: Unresolved,
    { name, end }: Pick<DecodedCommand, 'name' | 'end'>,
  ): Promise<Unresolved | undefined> {
    const { db, key } = unresolved;
    // Of any key.
    if (key.length === 0) return unresolved;
    const { progress, readKey, told, stopping } = this.#shard;
    try {
      const { offset, fields, expireAt } = await readKey(db, key, { replid: progress.replid, offset: end }, stopping);
      const hash = fields === null ? null : packNamesAndValues(fields);
      this.#shard.held.hold({ db, key, offset, hash, expireAt, command: name });
      told.keyRead(unresolved.reason);
      return undefined;
    } catch (error) {
      return { ...unresolved, reason: `${unresolved.reason}, and it cannot be read: ${reasonOf(error)}` };
    }
  }

  /** Folds the values of the held keys that the stream has come to. */
  #release(offset: number): void {
    if (!this.holds) return;
    for (const held of this.#shard.held.take(offset)) this.#foldHeld(held);
  }

  #foldHeld({ db, key, offset, hash, expireAt, command }: HeldKey): void {
    const { recorder, fold } = this.#shard;
    recorder.offset = offset;
    recorder.command = command;
    const time = this.#time.at({ name: command, start: offset, end: offset });
    if (hash === null) fold.apply({ kind: 'remove', db, key }, time);
    else fold.apply({ kind: 'replace', db, key, fields: hash, expireAt }, time);
  }
}

const RESOLVED: readonly Unresolved[] = [];

type KeyMutation = Exclude<Mutation, { kind: 'flush' | 'swap' }>;

/** More than a batch may hold came between a command and the read of its key. */
function tooFarBehind({ name, db }: DecodedCommand): Unresolved {
  return { kind: 'unresolved', reason: `${name} while a key is held back`, db, key: Buffer.alloc(0) };
}

/** The next chunk (null: the link is gone), or undefined when one of the events came or the time has passed first. */
async function firstOf(
  chunk: Promise<Buffer | null>,
  events: readonly (Promise<unknown> | undefined)[],
  ms: number | undefined,
): Promise<Buffer | null | undefined> {
  const others = events.flatMap((event) => (event === undefined ? [] : [event.then(() => undefined)]));
  let timer: NodeJS.Timeout | undefined;
  if (ms !== undefined) {
    others.push(
      new Promise((resolve) => {
        timer = setTimeout(resolve, ms, undefined);
      }),
    );
  }
  try {
    return await Promise.race([chunk, ...others]);
  } finally {
    clearTimeout(timer);
  }
}
