/** The keys that a snapshot, or a pass over all keys, has shown. */
export class SeenKeys {
  readonly #keys = new Map<number, Set<string>>();

  add(db: number, key: Buffer): void {
    let keys = this.#keys.get(db);
    if (keys === undefined) this.#keys.set(db, (keys = new Set()));
    keys.add(key.toString('latin1'));
  }

  has(db: number, key: Buffer): boolean {
    return this.#keys.get(db)?.has(key.toString('latin1')) ?? false;
  }
}
