/** Why a hash went away, as the events of its key tell. */
export type ToldCause = 'deleted' | 'expired' | 'evicted' | 'ambiguous';

/** What a key holds after an event: `unknown` after those that bring a value of any type. */
type Holding = 'hash' | 'other' | 'nothing' | 'unknown';

const removals: Readonly<Record<string, ToldCause>> = {
  del: 'deleted',
  rename_from: 'deleted',
  move_from: 'deleted',
  expired: 'expired',
  evicted: 'evicted',
};

/** Events that say nothing of the value's type. */
const sayNothing = new Set(['expire', 'persist', 'new']);
/** Events that lay a value of any type over the key. */
const bringAny = new Set(['rename_to', 'move_to', 'copy_to', 'restore']);

/**
 * What the events of one key have told since it was last read: the last of them, and why its hash is gone, if it is.
 * Events are those of `__keyspace@<db>__:<key>` channels, in the order in which they came.
 */
export class KeyHistory {
  readonly db: number;
  readonly key: Buffer;
  /** When its first event came, ms of the monotonic clock. */
  readonly since: number;
  /** The last event's name, as the server writes it; empty when none came. */
  event = '';
  /** What was told after the read under way was begun: that may be from before it or from behind it. */
  later: KeyHistory | undefined;
  #cause: ToldCause | undefined;
  #holding: Holding = 'unknown';

  constructor(db: number, key: Buffer, since: number) {
    this.db = db;
    this.key = key;
    this.since = since;
  }

  /** Notes an event. */
  add(event: string): void {
    this.event = event;
    if (sayNothing.has(event)) return;
    const removal = removals[event];
    if (removal !== undefined) {
      // A removal of another value is none of the hash, which was gone before.
      if (this.#holding === 'hash' || this.#holding === 'unknown') this.#lose(removal);
      this.#holding = 'nothing';
      return;
    }
    const holding = bringAny.has(event) ? 'unknown' : event.startsWith('h') ? 'hash' : 'other';
    // SET, SUNIONSTORE and others lay another type over the hash, and say only that.
    if (holding === 'other' && (this.#holding === 'hash' || this.#holding === 'unknown')) this.#lose('deleted');
    this.#holding = holding;
  }

  /**
   * Why a read found no hash; undefined when nothing that was told explains it.
   * @param holds what it found in its place
   */
  causeOf(holds: 'other' | 'nothing'): ToldCause | undefined {
    const told = this.#cause ?? this.later?.causeOf('nothing');
    // RENAME, COPY and RESTORE do not tell what they bring.
    return told ?? (holds === 'other' ? 'deleted' : undefined);
  }

  /** Several removals between two reads: which values went when is not known, unless all had one cause. */
  #lose(cause: ToldCause): void {
    this.#cause = this.#cause === undefined || this.#cause === cause ? cause : 'ambiguous';
  }
}
