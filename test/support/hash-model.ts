import type { DecodedCommand, Mutation } from '../../source-connector/decode/mutation.ts';
import { packHash, unpackHash } from '../../source-connector/packed-hash.ts';
import { canonicalText } from './recordings.ts';

interface ModelHash {
  /** By the name's bytes as latin1, so that names that are not UTF-8 stay apart. */
  readonly fields: Map<string, Buffer>;
  readonly expireAt: number;
}

/** What Redis does to hashes, written as plainly as possible: the measure for what the decoder tells. */
export class HashModel {
  readonly #databases = new Map<number, Map<string, ModelHash>>();

  put(db: number, key: Buffer, packed: Buffer, expireAt: number): void {
    const fields = new Map(unpackHash(packed).map(([name, value]) => [name.toString('latin1'), value]));
    if (fields.size === 0) this.#keys(db).delete(key.toString('latin1'));
    else this.#keys(db).set(key.toString('latin1'), { fields, expireAt });
  }

  apply({ mutations }: DecodedCommand): void {
    for (const mutation of mutations) this.#apply(mutation);
  }

  /** Forgets all and takes what another model holds. */
  replaceBy(other: HashModel): void {
    this.#databases.clear();
    for (const [db, keys] of other.#databases) this.#databases.set(db, new Map(keys));
  }

  /** Fields and expiry by canonical key and database. */
  state(): Map<number, Map<string, { expireAt: number; fields: Map<string, string> }>> {
    const databases = [...this.#databases].filter(([, keys]) => keys.size > 0);
    return new Map(
      databases.map(([db, keys]) => [
        db,
        new Map(
          [...keys].map(([key, { fields, expireAt }]) => [
            canonicalText(Buffer.from(key, 'latin1')),
            { expireAt, fields: canonicalFields(fields) },
          ]),
        ),
      ]),
    );
  }

  /** The hash of a canonical key, or null. */
  fieldsOf(db: number, key: string): Map<string, string> | null {
    for (const [name, hash] of this.#keys(db)) {
      if (canonicalText(Buffer.from(name, 'latin1')) === key) return canonicalFields(hash.fields);
    }
    return null;
  }

  /** A hash as HGETALL and PEXPIRETIME show it; undefined where there is none. */
  read(db: number, key: Buffer): { fields: readonly Buffer[]; expireAt: number } | undefined {
    const hash = this.#keys(db).get(key.toString('latin1'));
    return hash === undefined ? undefined : { fields: pairsOf(hash.fields).flat(), expireAt: hash.expireAt };
  }

  #apply(mutation: Mutation): void {
    switch (mutation.kind) {
      case 'set': {
        const { db, key } = mutation;
        const { fields, expireAt } = this.#get(db, key);
        this.put(db, key, packHash([...pairsOf(fields), ...unpackHash(mutation.fields)]), expireAt);
        return;
      }
      case 'increment': {
        const { db, key, field, by } = mutation;
        const { fields, expireAt } = this.#get(db, key);
        const old = fields.get(field.toString('latin1'))?.toString('latin1') ?? '0';
        this.put(db, key, packHash([...pairsOf(fields), [field, String(BigInt(old) + by)]]), expireAt);
        return;
      }
      case 'unset': {
        const { db, key } = mutation;
        const { fields, expireAt } = this.#get(db, key);
        for (const field of mutation.fields) fields.delete(field.toString('latin1'));
        this.put(db, key, packHash(pairsOf(fields)), expireAt);
        return;
      }
      case 'replace':
        this.put(mutation.db, mutation.key, mutation.fields, mutation.expireAt);
        return;
      case 'remove':
        this.put(mutation.db, mutation.key, Buffer.alloc(0), 0);
        return;
      case 'rename':
      case 'copy': {
        const { fields, expireAt } = this.#get(mutation.fromDb, mutation.from);
        const packed = packHash(pairsOf(fields));
        if (mutation.kind === 'rename') this.put(mutation.fromDb, mutation.from, Buffer.alloc(0), 0);
        this.put(mutation.toDb, mutation.to, packed, expireAt);
        return;
      }
      case 'expire': {
        const { fields } = this.#get(mutation.db, mutation.key);
        this.put(mutation.db, mutation.key, packHash(pairsOf(fields)), mutation.expireAt);
        return;
      }
      case 'expireIn':
      case 'unknown':
        throw new Error(`${mutation.kind}: the model has no clock and reads no keys`);
      case 'flush':
        if (mutation.slots !== 'all') throw new Error('the model knows no slots');
        if (mutation.db === 'all') this.#databases.clear();
        else this.#databases.delete(mutation.db);
        return;
      case 'swap': {
        const [a, b] = [this.#keys(mutation.a), this.#keys(mutation.b)];
        this.#databases.set(mutation.a, b).set(mutation.b, a);
        return;
      }
    }
  }

  #keys(db: number): Map<string, ModelHash> {
    const keys = this.#databases.get(db) ?? new Map<string, ModelHash>();
    this.#databases.set(db, keys);
    return keys;
  }

  #get(db: number, key: Buffer): ModelHash {
    return this.#keys(db).get(key.toString('latin1')) ?? { fields: new Map<string, Buffer>(), expireAt: 0 };
  }
}

function pairsOf(fields: ReadonlyMap<string, Buffer>): [Buffer, Buffer][] {
  return [...fields].map(([name, value]) => [Buffer.from(name, 'latin1'), value]);
}

function canonicalFields(fields: ReadonlyMap<string, Buffer>): Map<string, string> {
  return new Map(pairsOf(fields).map(([name, value]) => [canonicalText(name), canonicalText(value)]));
}
