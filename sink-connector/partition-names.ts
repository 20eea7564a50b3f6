/** A partition that a sink writes, for people and metrics. */
export interface PartitionNames {
  readonly sink: string;
  readonly topic: string;
  readonly partition: number;
  readonly mapping: string;
}
