/** How much of everything is measured. */
export interface Plan {
  /** How often each thing and its limit are measured, in turn. */
  readonly rounds: number;
  /** Hashes of the RDB file. */
  readonly hashes: number;
  /** HSETs of the recorded stream. */
  readonly commands: number;
  /** How often each of both is read after a first time that does not count. */
  readonly passes: number;
  /** HSETs of redis-benchmark, and among how many keys. */
  readonly requests: number;
  readonly keys: number;
  /** Fields of the big hash, and how many changes of it are counted. */
  readonly bigFields: number;
  readonly changes: number;
  /** Hashes of three fields that a state holds while its memory is looked at. */
  readonly heldHashes: number;
  /** Rows of a source that another worker takes over; one after the other. */
  readonly takeoverRows: readonly number[];
}

export const fullPlan: Plan = {
  rounds: 3,
  hashes: 1_000_000,
  commands: 1_000_000,
  passes: 3,
  requests: 4_000_000,
  keys: 100_000,
  bigFields: 1_000_000,
  changes: 100_000,
  heldHashes: 1_000_000,
  takeoverRows: [50_000, 200_000, 500_000],
};

export const quickPlan: Plan = {
  rounds: 1,
  hashes: 20_000,
  commands: 20_000,
  passes: 1,
  requests: 20_000,
  keys: 1000,
  bigFields: 20_000,
  changes: 5000,
  heldHashes: 20_000,
  takeoverRows: [2000],
};
