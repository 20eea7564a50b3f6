/** Where to go on from: the stream of `replid` after `offset` bytes. */
export interface ResumePoint {
  readonly replid: string;
  readonly offset: number;
}

/** How the master frames the RDB of a full resync. */
export type Transfer =
  | { readonly framing: 'length'; readonly bytes: number }
  /** The RDB ends where its structure says so; then these 40 bytes follow. They may also occur in the RDB. */
  | { readonly framing: 'eof'; readonly mark: Buffer };

/** What the master answered to PSYNC. With 'continue', `replid` may be new (a promotion) and `offset` is the resume point's. */
export type Answer =
  | { readonly kind: 'continue'; readonly replid: string; readonly offset: number }
  | { readonly kind: 'full'; readonly replid: string; readonly offset: number; readonly transfer: Transfer };

/** One link to a master, from its answer to PSYNC until it breaks or is closed. */
export interface ReplicationSession {
  readonly answer: Answer;
  /**
   * The next bytes after the answer (and after the transfer's header), or null when the link is gone for good; what
   * arrived before a break is still handed out. The bytes are never written again, but a view of one byte keeps a
   * whole slab alive: copy what is kept for long.
   * One call at a time.
   */
  read(): Promise<Buffer | null>;
  /**
   * Tells that the snapshot was read to its end, the mark of an 'eof' transfer included. From here on ACKs are sent:
   * after a diskless transfer every 100 ms until the stream begins, then once a second.
   * @param rest how many of the bytes that were read stand behind that end, and so belong to the stream
   */
  snapshotRead(rest: number): void;
  /** The offset to acknowledge from now on, once a second; `now` sends one at once. */
  acknowledge(offset: number, now?: boolean): void;
  /** Why the link ended, when it did; undefined while it lives and after `close`. */
  readonly brokenBy: Error | undefined;
  /** Ends the link: `read` gives null from now on, and no timer or socket stays. */
  close(): void;
}
