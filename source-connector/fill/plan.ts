import { KeyPattern } from '../../schemas/index.ts';
import { checkFrozen, type Contract } from '../contract.ts';
import type { Fill, FrozenMapping, Position } from '../position.ts';

/** What has to be done because the mappings are others than those that the position was committed under. */
export interface FillPlan {
  readonly fills: Readonly<Record<string, Fill>>;
  /** By topic. */
  readonly left: Readonly<Record<string, FrozenMapping>>;
  /** Mappings whose keys have to be read from now on. */
  readonly begins: readonly Beginning[];
}

export interface Beginning {
  readonly contract: Contract;
  /** Whether the state knows the rows that the topic holds; else the topic has to be read. */
  readonly knowsRows: boolean;
}

const SCAN: Fill = { stage: 'scan', cursor: null, keys: 0 };
const REFOLD: Fill = { stage: 'refold', cursor: null, keys: 0 };

/** For a state that a full resync completes, or one that is empty. */
export const NOTHING_TO_FILL: FillPlan = { fills: {}, left: {}, begins: [] };

/**
 * Compares the mappings with those that the last position was committed under:
 * - one with other fields is folded anew: the state has whole hashes;
 * - one that is new, or back, has to be read from the server, since the stream was not followed for it;
 * - of one that is gone nothing is published any more, and the state keeps its rows for the day that it is back.
 * @throws AfterwriteError KEY_CHANGED when something differs that must never change while a topic lives (rule 12)
 */
export function planFills(contracts: readonly Contract[], position: Position): FillPlan {
  const fills: Record<string, Fill> = {};
  const begins: Beginning[] = [];
  for (const contract of contracts) {
    const { mapping, frozen } = contract;
    // By topic, not by name: a mapping under another name writes to the same partitions.
    const [name, before] = Object.entries(position.mappings).find(([, { topic }]) => topic === frozen.topic) ?? [];
    const known = before ?? position.left[frozen.topic];
    if (known !== undefined) checkFrozen(mapping.name, known, frozen);
    const under = name === undefined ? undefined : position.fills[name];
    const isSame = before?.fingerprint === frozen.fingerprint;
    if (before === undefined || (!isSame && under?.stage === 'scan')) {
      fills[mapping.name] = SCAN;
      begins.push({ contract, knowsRows: known !== undefined });
    } else if (!isSame) fills[mapping.name] = REFOLD;
    else if (under !== undefined) fills[mapping.name] = under;
  }
  return { fills, left: leftOf(contracts, position, begins), begins };
}

/** The mappings that were taken away; without those whose keys are another's now, which overwrites what is known. */
function leftOf(
  contracts: readonly Contract[],
  position: Position,
  begins: readonly Beginning[],
): Record<string, FrozenMapping> {
  const gone = new Map(Object.entries(position.left));
  for (const frozen of Object.values(position.mappings)) gone.set(frozen.topic, frozen);
  for (const { frozen } of contracts) gone.delete(frozen.topic);
  const isTaken = (one: FrozenMapping): boolean =>
    begins.some(
      ({ contract: { mapping } }) =>
        mapping.database === one.database && new KeyPattern(one.key).overlaps(new KeyPattern(mapping.key.text)),
    );
  return Object.fromEntries([...gone].filter(([, one]) => !isTaken(one)));
}
