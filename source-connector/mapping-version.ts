import { AfterwriteError } from '../ops/errors/index.ts';
import type { Contract } from './contract.ts';
import type { Position } from './position.ts';

/** Greater than any version, also than itself: as those had it who were never asked for a version. */
const ALWAYS_NEWER = '99.99.99';

/**
 * Checks that no mapping is replaced by an older one, or by another one of the same version: then two people, or two
 * machines, have different ideas of it, and which one counts would be the order in which they started.
 * @throws AfterwriteError MAPPING_OUTDATED, with both versions
 */
export function checkVersions(contracts: readonly Contract[], position: Position): void {
  for (const { mapping, frozen } of contracts) {
    const before = Object.values(position.mappings).find(({ topic }) => topic === frozen.topic);
    if (before?.version === undefined) continue;
    const order = frozen.version === undefined ? -1 : compareVersions(frozen.version, before.version);
    if (order > 0 || (order === 0 && frozen.content === before.content)) continue;
    const now = frozen.version === undefined ? 'no version' : `version ${frozen.version}`;
    const how =
      order === 0
        ? `${now}, as the one that runs, but says something else`
        : `${now}, and version ${before.version} runs`;
    throw new AfterwriteError('MAPPING_OUTDATED', `the mapping ${mapping.name} has ${how}`, {
      where: { topic: frozen.topic },
    });
  }
}

/** As their numbers, major first. @returns below, above or equal to 0, as a compares to b */
export function compareVersions(a: string, b: string): number {
  if (a === ALWAYS_NEWER) return 1;
  if (b === ALWAYS_NEWER) return -1;
  const [numbersA, numbersB] = [a.split('.'), b.split('.')];
  const differences = numbersA.map((number, index) => Number(number) - Number(numbersB[index]));
  return differences.find((difference) => difference !== 0) ?? 0;
}
