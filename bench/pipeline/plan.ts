/** How much of everything is measured. */
export interface Plan {
  /** How often each thing and its limit are measured, in turn. */
  readonly rounds: number;
  /** Hashes of the snapshot, and rows of the sink. */
  readonly hashes: number;
  /** HSETs that wait in the backlog when the source comes back. */
  readonly commands: number;
  /** Records of one Kafka transaction, and events of one transaction of the database, at most. */
  readonly sourceBatch: number;
  readonly sinkBatch: number;
  /** How many rows of a partition lie between two that are looked for while the sink is measured. */
  readonly markEvery: number;
  readonly latency: {
    /** HSETs a second. */
    readonly rate: number;
    readonly warmUpSeconds: number;
    readonly seconds: number;
    /** Every so many HSETs one is looked for in the database. */
    readonly sampleEvery: number;
  };
  /** Hashes of the process whose memory is measured. */
  readonly memoryHashes: number;
}

/** The batches are the defaults of the configuration. */
export const fullPlan: Plan = {
  rounds: 3,
  hashes: 200_000,
  commands: 200_000,
  sourceBatch: 10_000,
  sinkBatch: 5000,
  markEvery: 500,
  latency: { rate: 1000, warmUpSeconds: 3, seconds: 20, sampleEvery: 10 },
  memoryHashes: 1_000_000,
};

export const quickPlan: Plan = {
  rounds: 1,
  hashes: 4000,
  commands: 4000,
  sourceBatch: 500,
  sinkBatch: 200,
  markEvery: 20,
  latency: { rate: 200, warmUpSeconds: 0.5, seconds: 1.5, sampleEvery: 4 },
  memoryHashes: 5000,
};
