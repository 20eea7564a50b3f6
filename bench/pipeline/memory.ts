import { Cleanup } from '../cleanup.ts';
import type { Pair } from '../figure.ts';
import { writeHashes } from '../hashes.ts';
import { PublishedReader } from '../published.ts';
import { startRedis, type Servers } from '../servers.ts';
import { startSource, topicOf } from '../setup.ts';
import { makePipeline, mappingName, type Database } from './database.ts';
import type { Plan } from './plan.ts';

/** The most memory that a source ever had after a snapshot, beside what Redis says of the same hashes; both in MiB. */
export async function measureMemory(servers: Servers, database: Database, plan: Plan): Promise<Pair> {
  const cleanup = new Cleanup();
  try {
    const redis = await startRedis(cleanup);
    await writeHashes(redis.client, mappingName, plan.memoryHashes);
    const used = Number(/^used_memory:(\d+)/m.exec(await redis.client.info('memory'))?.[1]);
    const setup = await makePipeline(servers, database, redis.url, 'bench_memory', plan);
    const published = await PublishedReader.open(cleanup, servers, setup, topicOf(setup, mappingName));
    const source = startSource(cleanup, setup);
    await published.position('the end of the snapshot', ({ snapshot }) => !snapshot, source);
    const peak = source.peakMemory();
    await source.stop();
    return { value: peak / 2 ** 20, limit: used / 2 ** 20 };
  } finally {
    await cleanup.close();
  }
}
