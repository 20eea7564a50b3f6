/** How much of everything is measured. */
export interface Plan {
  /** How often each thing and its limits are measured, in turn. */
  readonly rounds: number;
  /** Rows of a first fill, and of the second, which updates them. */
  readonly rows: number;
  /** Rows of the backlog with which the memory of a sink is measured; that of the first fill is the small one. */
  readonly backlog: number;
  /** Records of one Kafka transaction, at most. */
  readonly sourceBatch: number;
  /** Events of one transaction of the database, at most; undefined: what the kind of sink has by default. */
  readonly sinkBatch: number | undefined;
  /** How many rows of a partition lie between two that are looked for. */
  readonly markEvery: number;
  /** How long a table that is being filled is watched at most, ms. */
  readonly longestMs: number;
}

/** The batches are the defaults of the configuration. */
export const fullPlan: Plan = {
  rounds: 3,
  rows: 500_000,
  backlog: 1_000_000,
  sourceBatch: 10_000,
  sinkBatch: undefined,
  markEvery: 500,
  longestMs: 15_000,
};

export const quickPlan: Plan = {
  rounds: 1,
  rows: 4000,
  backlog: 5000,
  sourceBatch: 500,
  sinkBatch: 200,
  markEvery: 20,
  longestMs: 15_000,
};
