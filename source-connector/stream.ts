import { setImmediate } from 'node:timers/promises';
import type { ReplicationSession } from './capture/session.ts';
import { CommandTime } from './command-time.ts';
import type { DecodedCommand } from './decode/mutation.ts';
import type { StreamDecoder } from './decode/ports.ts';
import type { Unresolved } from './fold/change.ts';
import { LongCommands } from './long-commands.ts';
import { ReadsBeside } from './reads-beside.ts';
import { placeOf, type LinkEnd, type Shard } from './shard.ts';
import { decideSlots } from './slot-decisions.ts';

/** After this many commands the event loop gets a turn, so that timers, ACKs and HTTP answers are not late. */
const COMMANDS_A_TURN = 1000;

/** As many keys are gathered before they are read beside the stream, at most. */
const KEYS_A_READ = 256;

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
    const may = !decoder.inTransaction && shard.held.fits;
    // Taken before it is asked what is due: what becomes due after that is heard.
    const slotsChange = shard.slots?.changed;
    // A decision on a slot is one on what its keys hold.
    if (may && shard.held.isEmpty && shard.slots?.isDue(shard.progress) === true) {
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
  readonly #beside: ReadsBeside;
  #ackSoon = false;
  #ended = false;

  constructor(shard: Shard, session: ReplicationSession, decoder: StreamDecoder) {
    this.#shard = shard;
    this.#session = session;
    this.#decoder = decoder;
    this.#time = new CommandTime(shard);
    this.#beside = new ReadsBeside(shard, this.#time);
    this.#long = new LongCommands(shard, this.#beside);
    shard.slots?.newLink();
  }

  /** Folds every command that is complete; cuts batches where that is allowed. */
  async foldBuffered(): Promise<Unresolved | undefined> {
    const { committer, recorder, told, held, keysARead = KEYS_A_READ } = this.#shard;
    recorder.at = Date.now();
    let commands = 0;
    for (let command = this.#decoder.next(); command !== undefined; command = this.#decoder.next()) {
      this.#beside.release(command.start);
      if (this.#needsEvictions(command)) await this.#shard.clock.reach(command.end);
      if (this.#mayBeMove(command)) await this.#lookForMoves(command);
      if (this.#long.isLong(command)) {
        // Else its batches could not be cut.
        const left = held.fits ? await this.#long.fold(command, this.#time.at(command)) : tooFarBehind(command);
        if (left !== undefined) return left;
      } else {
        const left = this.#fold(command);
        if (left !== undefined) return left;
      }
      this.#keepProgress();
      if (held.unreadCount >= keysARead) {
        const left = await this.#beside.readUnread(command.end);
        if (left !== undefined) return left;
      }
      if (held.isTooMuch || (!held.fits && committer.overfull)) return tooFarBehind(command);
      if (held.fits && committer.full && (!this.#decoder.inTransaction || committer.overfull)) await this.cut();
      if (++commands % COMMANDS_A_TURN === 0) {
        await setImmediate();
        recorder.at = Date.now();
      }
    }
    const left = await this.#beside.readUnread(this.#decoder.offset);
    if (left !== undefined) return left;
    this.#beside.release(this.#decoder.offset);
    this.#keepProgress();
    told.commands(commands);
    if (committer.idle) {
      if (held.isEmpty) told.upToDate(this.#shard.progress.replid, this.#decoder.offset);
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
    const { filler, held } = this.#shard;
    const { inTransaction, offset } = this.#decoder;
    if (filler === undefined || inTransaction || !held.fits) return undefined;
    const failed = await filler.step({ shard: this.#shard, offset, cut: () => this.cut() });
    if (failed !== undefined) return failed;
    const reason = 'a key that changes faster than it can be read beside the stream';
    for (const place of filler.takeStubborn()) held.name({ ...place, command: 'SNAPSHOT', since: offset, reason });
    const left = await this.#beside.readUnread(offset);
    this.#beside.release(offset);
    return left;
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
   * The link is gone. A person's stop commits what is whole; after a break all of it waits for the next link.
   */
  async finish(): Promise<LinkEnd> {
    const { committer, stopping, held } = this.#shard;
    if (!stopping.aborted) {
      this.#ended = true;
      return 'broken';
    }
    // A half of a MULTI is not committed: the next start reads it again from before the MULTI.
    if (!this.#decoder.inTransaction && held.fits && this.dueIn() !== undefined) await this.cut();
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

  /** Names the keys that the command does not say enough of. @returns what only a full resync can find out */
  #fold(command: DecodedCommand): Unresolved | undefined {
    const { recorder, held } = this.#shard;
    if (command.kind === 'getack') this.#ackSoon = true;
    if (command.kind === 'begin') recorder.beginTransaction(command.start);
    if (command.kind === 'commit') recorder.endTransaction();
    if (command.kind !== 'write') return undefined;
    const time = this.#time.at(command);
    recorder.offset = command.end;
    recorder.command = command.name;
    for (const mutation of command.mutations) {
      if (mutation.kind === 'flush' || mutation.kind === 'swap') continue;
      const unresolved = this.#beside.fold(mutation, time);
      if (unresolved === undefined) continue;
      const { db, key, reason } = unresolved;
      // Of any key.
      if (key.length === 0) return unresolved;
      held.name({ db, key, command: command.name, since: command.start, reason });
    }
    return undefined;
  }
}

/** More keys are held back than a position may name, or memory should hold. */
function tooFarBehind({ name, db }: DecodedCommand): Unresolved {
  return { kind: 'unresolved', reason: `${name} while too many keys are held back`, db, key: Buffer.alloc(0) };
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
