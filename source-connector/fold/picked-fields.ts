import { PackedWriter } from '../packed-hash.ts';
import type { HeldHash } from '../wide-hash.ts';
import type { RowView } from './change.ts';

/** What of a hash a row is made of. */
export class PickedFields {
  readonly #writer = new PackedWriter();

  /** A hash in one piece as it is; of a wide one the mapped fields, packed: a view that is valid until the next call. */
  of(view: Pick<RowView<unknown>, 'fieldNames'>, hash: HeldHash): Buffer {
    if (Buffer.isBuffer(hash)) return hash;
    if (view.fieldNames === 'all') return hash.whole();
    const writer = this.#writer.reset();
    for (const name of view.fieldNames) {
      const value = hash.valueOf(name);
      if (value !== undefined) writer.add(name, 0, name.length, value, 0, value.length);
    }
    return writer.view();
  }
}
