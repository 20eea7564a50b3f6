import type { KeyspaceReader } from '../capture/keyspace-reader.ts';
import type { Contract } from '../contract.ts';
import type { Shard } from '../shard.ts';
import { Filler } from './filler.ts';
import { Fills } from './fills.ts';
import { PageReader } from './page-reader.ts';
import type { FillPlan } from './plan.ts';
import { UnreadFold, type UnreadFoldParts } from './unread-fold.ts';
import { UnreadKeys } from './unread-keys.ts';

/** What fills mappings, and folds meanwhile; what folds alone where none has to be filled. */
export function fillingOf(
  { fills: facts }: FillPlan,
  contracts: readonly Contract[],
  reader: KeyspaceReader,
  parts: Omit<UnreadFoldParts, 'fills' | 'unread'>,
): Pick<Shard, 'fold' | 'filler'> & { readonly isUnread: (db: number, key: Buffer) => boolean } {
  if (Object.keys(facts).length === 0) return { fold: parts.fold, isUnread: () => false };
  const fills = new Fills(contracts, facts);
  const unread = new UnreadKeys();
  const fold = new UnreadFold({ ...parts, fills, unread });
  const isUnread = (db: number, key: Buffer): boolean => fills.scansKey(db, key) && fold.isUnread(db, key);
  return { fold, isUnread, filler: new Filler({ fills, unread, fold, pages: new PageReader(reader, fills, unread) }) };
}
