import { Cleanup } from '../cleanup.ts';
import { writeHashes } from '../hashes.ts';
import { readMarks, type Marks } from '../marks.ts';
import { PublishedReader } from '../published.ts';
import type { Servers } from '../servers.ts';
import { startSource, topicOf, type Setup } from '../setup.ts';
import type { Plan } from './plan.ts';

/**
 * Mappings, whose topics every sink reads: the rows of the first fill, the same rows with other values, and those of a
 * large backlog.
 */
export const mappingNames = ['fill', 'change', 'backlog'] as const;
export type MappingName = (typeof mappingNames)[number];

/** Fills the topics once, by a real source. @returns the marks of each */
export async function fillTopics(
  servers: Servers,
  setup: Setup,
  { rows, backlog, markEvery }: Plan,
): Promise<Readonly<Record<MappingName, Marks>>> {
  const { client } = servers.redis;
  await writeHashes(client, 'fill', rows);
  await writeHashes(client, 'backlog', backlog);
  const cleanup = new Cleanup();
  try {
    const published = await PublishedReader.open(cleanup, servers, setup, topicOf(setup, 'backlog'));
    const source = startSource(cleanup, setup);
    await published.position('the end of the snapshot', ({ snapshot }) => !snapshot, source);
    // Only now, so that their versions are above: where an older event never wins, they could change nothing otherwise.
    await writeHashes(client, 'change', rows, true);
    await published.caughtUp(client, source);
    await source.stop();
  } finally {
    await cleanup.close();
  }
  const marksOf = (name: MappingName): Promise<Marks> => readMarks(servers, setup, name, markEvery);
  return { fill: await marksOf('fill'), change: await marksOf('change'), backlog: await marksOf('backlog') };
}
