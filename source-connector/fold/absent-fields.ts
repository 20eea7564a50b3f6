import { fieldsOf, isInheriting } from '../mark.ts';
import { PackedCursor } from '../packed-hash.ts';
import type { Entry } from '../state/port.ts';
import type { RowView } from './change.ts';
import { HashEditor } from '../hash-editor.ts';
import { PickedFields } from './picked-fields.ts';

const NOTHING = Buffer.alloc(0);

/**
 * What a mapping with `absentFields: keep` does when the hash of a kept row is back with fewer fields: those that it
 * lacks keep the values that the row had, until the hash has them again. Only then: a field that is removed from a hash
 * that had it is null. Packed hashes in and out; results are views that are valid until the next call.
 */
export class AbsentFields {
  readonly #editor = new HashEditor();
  readonly #cursor = new PackedCursor();
  readonly #picked = new PickedFields();

  /** The hash with the inherited fields that it lacks. */
  filled(inherited: Buffer, hash: Buffer): Buffer {
    return inherited.length === 0 ? hash : this.#editor.set(inherited, hash);
  }

  /** The inherited fields that the hash lacks. */
  missing(inherited: Buffer, hash: Buffer): Buffer {
    if (inherited.length === 0) return NOTHING;
    const names: Buffer[] = [];
    const cursor = this.#cursor.reset(hash);
    while (cursor.next()) names.push(cursor.name());
    return this.#editor.unset(inherited, names) ?? NOTHING;
  }

  /** The fields of the published row of an entry, as a copy; none where there is no row, or nobody knows them. */
  ofRow(view: Pick<RowView<unknown>, 'mappedFields' | 'fieldNames'>, { current, published, mark }: Entry): Buffer {
    if (published === null) return NOTHING;
    // While a hash is rejected, or gone, the mark has them.
    if (mark !== null && !isInheriting(mark)) return Buffer.from(fieldsOf(mark));
    return view.mappedFields(this.filled(fieldsOf(mark), current === null ? NOTHING : this.#picked.of(view, current)));
  }
}
