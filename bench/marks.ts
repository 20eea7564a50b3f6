import { PartitionReader, readToEnd, type FetchedRecord } from '../clients/kafka/index.ts';
import { loadConfig, resolveSecrets } from '../config/index.ts';
import { compileMapping, EventDecoder, SchemaRegistry } from '../schemas/index.ts';
import type { Servers } from './servers.ts';
import type { Setup } from './setup.ts';

/** A row that tells, when it is there, that all records of its partition before it were written. */
export interface Mark {
  readonly id: string;
  /** Records of the partition up to it. */
  readonly rows: number;
}

/** Marks of each partition, in the order of its records; the last one is its last record. */
export type Marks = readonly (readonly Mark[])[];

/**
 * Chooses rows of a mapping's topic to look for. The topic has one record for each key.
 * @param every how many records lie between two marks of a partition
 */
export async function readMarks(servers: Servers, setup: Setup, name: string, every: number): Promise<Marks> {
  const config = await loadConfig(setup.configFile);
  const input = config.mappings[name];
  if (input === undefined) throw new RangeError(`the configuration has no mapping ${name}`);
  const mapping = compileMapping(name, input);
  const decoder = new EventDecoder(mapping, new SchemaRegistry(() => resolveSecrets(config.registry)));
  const { topic } = mapping;
  const reader = await PartitionReader.open(servers.kafka.client);
  try {
    const marks: Mark[][] = [];
    for (const partition of await reader.partitions(topic)) {
      const found: Mark[] = [];
      let rows = 0;
      let last: FetchedRecord | undefined;
      const mark = async (record: FetchedRecord): Promise<void> => {
        await decoder.prepare([record]);
        found.push({ id: String(decoder.decode(record).keyValues[0]), rows });
      };
      await readToEnd(reader, { topic, partition }, async (record) => {
        rows++;
        last = record;
        if (rows % every === 0) await mark(record);
      });
      if (last !== undefined && rows % every !== 0) await mark(last);
      if (found.length > 0) marks.push(found);
    }
    return marks;
  } finally {
    await reader.close();
  }
}
