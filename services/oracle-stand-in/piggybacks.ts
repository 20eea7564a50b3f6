import { OraError } from './ora-errors.ts';
import type { TtcReader } from './ttc-codec.ts';

const piggyback = { lob: 96, closeCursors: 105, cancelCursors: 120, endToEnd: 135, setSchema: 152 } as const;

/** What messages in front of a request ask for; there is no answer to them. */
export interface PiggybackActions {
  closeCursor(cursor: number): void;
  freeLobs(locators: Buffer): void;
  setSchema(name: string): void;
}

/**
 *   close-cursors, cancel-cursors := p ub(count) ub(cursor)*
 *   lob (free temporary ones)     := p ub(bytes) p n n n p p p ub(operation) p n n n p p n p n p n locator*
 *   end-to-end                    := p p n (p n)×4 p n p (n) p n p n p (n) bytes*
 *   set-schema                    := p ub(length) bytes
 *
 * @throws OraError for one that is not known: its end could not be found
 */
export function readPiggyback(kind: number, reader: TtcReader, actions: PiggybackActions): void {
  switch (kind) {
    case piggyback.closeCursors:
    case piggyback.cancelCursors: {
      reader.u8();
      const count = reader.ub();
      for (let index = 0; index < count; index++) {
        const cursor = reader.ub();
        if (kind === piggyback.closeCursors) actions.closeCursor(cursor);
      }
      return;
    }
    case piggyback.lob: {
      reader.u8();
      const bytes = reader.ub();
      reader.skip('pnnnpppnpnnnppnpnpn');
      actions.freeLobs(reader.raw(bytes));
      return;
    }
    case piggyback.endToEnd: {
      passEndToEnd(reader);
      return;
    }
    case piggyback.setSchema: {
      reader.skip('pn');
      actions.setSchema(reader.string());
      return;
    }
    default:
      throw new OraError(3115, `the stand-in does not know the piggyback ${kind}`);
  }
}

/** Names of module, action and the like, which nobody asks for here. */
function passEndToEnd(reader: TtcReader): void {
  reader.skip('ppn');
  const lengths: number[] = [];
  const length = (): void => {
    reader.u8();
    lengths.push(reader.ub());
  };
  for (let index = 0; index < 4; index++) length();
  reader.skip('pn');
  length();
  reader.skip('pnpn');
  length();
  for (const bytes of lengths) if (bytes > 0) reader.bytes();
}
