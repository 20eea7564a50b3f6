/** Who wrote the bytes: from Redis 7.4 and Valkey 9 on, the two give other meanings to the same codes. */
export type Flavour = 'redis' | 'valkey';

/** The newest RDB versions whose every code is known: Redis 8.10, Valkey 9. */
const REDIS_VERSION_MAX = 15;
const VALKEY_VERSION = 80;

/** Who wrote an RDB version: Valkey counts its own from 80 on. Undefined for one that is not known. */
export function flavourOf(version: number): Flavour | undefined {
  if (version === VALKEY_VERSION) return 'valkey';
  return version >= 1 && version <= REDIS_VERSION_MAX ? 'redis' : undefined;
}
