import type { ContractDatabase } from '../binding.ts';

/** A version that a row got, in the order in which the rows got theirs. */
interface Applied {
  readonly key: string;
  readonly version: bigint;
}

/** What the database's own audit has noted. */
export async function versionsOf(database: ContractDatabase): Promise<Applied[]> {
  const rows = await database.rows('audit', [
    { name: 'seq', type: 'long' },
    { name: 'person_id', type: 'string' },
    { name: 'v', type: 'long' },
  ]);
  return rows
    .map(([seq, key, version]) => ({ seq: Number(seq), key: String(key), version: BigInt(String(version)) }))
    .toSorted((a, b) => a.seq - b.seq);
}

/** What it holds against exactly once: versions applied twice, or below one that was applied before. */
export async function auditFindings(database: ContractDatabase): Promise<Applied[]> {
  const last = new Map<string, bigint>();
  const findings: Applied[] = [];
  for (const applied of await versionsOf(database)) {
    if (applied.version <= (last.get(applied.key) ?? -1n)) findings.push(applied);
    last.set(applied.key, applied.version);
  }
  return findings;
}
