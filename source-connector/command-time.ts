import type { DecodedCommand } from './decode/mutation.ts';
import type { FoldTime } from './fold/change.ts';
import type { Shard } from './shard.ts';

/** The bounds of a command's time, asked of the clock only when a removal wants to know. */
export class CommandTime implements FoldTime {
  readonly #shard: Shard;
  #start = 0;
  #end = 0;
  command = '';

  constructor(shard: Shard) {
    this.#shard = shard;
  }

  at(command: Pick<DecodedCommand, 'name' | 'start' | 'end'>): this {
    this.command = command.name;
    this.#start = command.start;
    this.#end = command.end;
    return this;
  }

  get notBefore(): number {
    return this.#shard.clock.notBefore(this.#start);
  }

  get notAfter(): number {
    return this.#shard.clock.notAfter(this.#end);
  }

  evicted(db: number, key: Buffer, hasExpiry: boolean): 'yes' | 'no' | 'maybe' {
    return this.#shard.clock.evicted(this.#start, this.#end, db, key, hasExpiry);
  }
}
