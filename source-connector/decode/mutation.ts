import type { SlotRange } from './key-slot.ts';

/**
 * What a replicated command does to hashes. All buffers are views that stay valid until the decoder is asked for its
 * next command or given more bytes; whoever keeps them copies them. `db` is the Redis database number.
 *
 * A command that arrives has succeeded on the master, so conditions (NX, XX, GT …) are already decided.
 */
export type Mutation =
  /** HSET, HMSET, HSETNX: the fields (packed, in order, the last of equal names wins) are laid over the hash. */
  | { readonly kind: 'set'; readonly db: number; readonly key: Buffer; readonly fields: Buffer }
  /** HINCRBY. */
  | {
      readonly kind: 'increment';
      readonly db: number;
      readonly key: Buffer;
      readonly field: Buffer;
      readonly by: bigint;
    }
  /** HDEL: the last field takes the key with it. */
  | { readonly kind: 'unset'; readonly db: number; readonly key: Buffer; readonly fields: readonly Buffer[] }
  /** RESTORE of a hash: the key now holds exactly these fields. `expireAt` in ms since the epoch, 0 without. */
  | {
      readonly kind: 'replace';
      readonly db: number;
      readonly key: Buffer;
      readonly fields: Buffer;
      readonly expireAt: number;
    }
  /** DEL, UNLINK, or a value of another type laid over the key. */
  | { readonly kind: 'remove'; readonly db: number; readonly key: Buffer }
  /** RENAME, RENAMENX, MOVE: the value and its expiry leave `from` and replace whatever `to` held. */
  | {
      readonly kind: 'rename';
      readonly fromDb: number;
      readonly from: Buffer;
      readonly toDb: number;
      readonly to: Buffer;
    }
  /** COPY: the value and its expiry replace whatever `to` held. */
  | {
      readonly kind: 'copy';
      readonly fromDb: number;
      readonly from: Buffer;
      readonly toDb: number;
      readonly to: Buffer;
    }
  /** PEXPIREAT and its kin, PERSIST: `expireAt` in ms since the epoch, 0 for none. */
  | { readonly kind: 'expire'; readonly db: number; readonly key: Buffer; readonly expireAt: number }
  /**
   * EXPIRE and PEXPIRE, which a master before Redis 7.0 replicates as they are: the key expires so many ms after the
   * command ran, and when that was the stream does not tell.
   */
  | { readonly kind: 'expireIn'; readonly db: number; readonly key: Buffer; readonly ms: number }
  /** FLUSHDB, FLUSHALL, and deletions of whole slots: 'all' is every database, or every slot. */
  | { readonly kind: 'flush'; readonly db: number | 'all'; readonly slots: readonly SlotRange[] | 'all' }
  /** SWAPDB. */
  | { readonly kind: 'swap'; readonly a: number; readonly b: number }
  /** A command that may have done anything to this key, or with an empty key to any one. */
  | { readonly kind: 'unknown'; readonly db: number; readonly key: Buffer };

/** One command of the stream that matters: it mutates captured keys, or begins or ends a transaction, or asks for an ACK. */
export interface DecodedCommand {
  /** The command's name in capitals. */
  readonly name: string;
  readonly kind: 'write' | 'begin' | 'commit' | 'getack';
  /** Replication offset before and after this command's bytes. */
  readonly start: number;
  readonly end: number;
  /** The database selected before this command. */
  readonly db: number;
  /** Whether the command stands between MULTI and EXEC (MULTI and EXEC themselves do not). */
  readonly inTransaction: boolean;
  /** In order; empty unless kind is 'write'. */
  readonly mutations: readonly Mutation[];
}
