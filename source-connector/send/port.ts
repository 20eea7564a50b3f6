/** Headers of a record, by name. */
export type RecordHeaders = Readonly<Record<string, Buffer | string>>;

/** Encoded records on their way into one Kafka transaction. Keys and values are taken over, not copied. */
export interface OutgoingBatch {
  /** Adds a record; records of one partition keep this order. `value` null is a tombstone. */
  append(topic: string, partition: number, key: Buffer, value: Buffer | null, headers?: RecordHeaders): void;
  /** Records and bytes (keys, values and headers) so far. */
  readonly records: number;
  readonly bytes: number;
}

/**
 * The only way into Kafka for a shard: records and position in one transaction, under one transactional id.
 * Any error of `commit` leaves open whether it was committed: the sender is then dead, as after an error of `claim`, and
 * only the position that the claim of a new sender reads tells (rule 2). A dead sender rejects everything.
 */
export interface TransactionalSender {
  /**
   * Connects, claims the transactional id, which aborts and fences every earlier owner, and then reads the committed
   * position. Once, before anything else.
   * @returns the position record's value, or null when this shard never committed one.
   * @throws an error to retry in an outage (KAFKA_DOWN, TOPIC_MISSING), to stop at (KAFKA_AUTH …), or to claim again after
   * (PRODUCER_FENCED, KAFKA_TRANSACTION); `recovery` says which.
   */
  claim(): Promise<Buffer | null>;
  /** An empty batch. Nothing of it is sent before `commit`, so it may be filled while another one is committed. */
  begin(): OutgoingBatch;
  /**
   * Sends the batch and the position; waits for `synced` (the state log on disk) before EndTxn. One at a time. A rejected
   * `synced` commits nothing, and passes on.
   * @throws mostly PRODUCER_FENCED or KAFKA_TRANSACTION, whose recovery is `reload`; RECORD_TOO_LARGE stops.
   */
  commit(batch: OutgoingBatch, position: Buffer, synced: Promise<void>): Promise<void>;
  /** Disconnects. What is being committed is then as after an error of `commit`. */
  close(): Promise<void>;
}
