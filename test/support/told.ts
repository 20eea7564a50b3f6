import type { DecodedCommand, Mutation } from '../../source-connector/decode/mutation.ts';
import { CommandDecoder, type CommandDecoderOptions } from '../../source-connector/decode/stream.ts';
import { unpackHash } from '../../source-connector/packed-hash.ts';

/** A mutation as text, such as `0/p:1 set a=1 b=2`: db and key, then what happens. */
export function mutationText(mutation: Mutation): string {
  switch (mutation.kind) {
    case 'set':
      return `${at(mutation.db, mutation.key)} set ${fieldsText(mutation.fields)}`;
    case 'increment':
      return `${at(mutation.db, mutation.key)} increment ${text(mutation.field)} by ${mutation.by}`;
    case 'unset':
      return `${at(mutation.db, mutation.key)} unset ${mutation.fields.map(text).join(' ')}`;
    case 'replace':
      return `${at(mutation.db, mutation.key)} replace ${fieldsText(mutation.fields)} until ${mutation.expireAt}`;
    case 'remove':
      return `${at(mutation.db, mutation.key)} remove`;
    case 'rename':
    case 'copy':
      return `${at(mutation.fromDb, mutation.from)} ${mutation.kind} to ${at(mutation.toDb, mutation.to)}`;
    case 'expire':
      return `${at(mutation.db, mutation.key)} expire ${mutation.expireAt}`;
    case 'expireIn':
      return `${at(mutation.db, mutation.key)} expire in ${mutation.ms}`;
    case 'flush':
      return `flush ${mutation.db}${mutation.slots === 'all' ? '' : ` slots ${mutation.slots.map((range) => range.join('-')).join(' ')}`}`;
    case 'unknown':
      return `${at(mutation.db, mutation.key)} unknown`;
    case 'swap':
      return `swap ${mutation.a} ${mutation.b}`;
  }
}

/** A command as text: its name and what it does, in a transaction between braces. */
export function commandText({ name, kind, inTransaction, mutations }: DecodedCommand): string {
  const words = [name, kind === 'write' ? mutations.map(mutationText).join(', ') : kind].join(': ');
  return inTransaction ? `{ ${words} }` : words;
}

/** A decoder that captures the keys that begin with `p:`. */
export function decoderOf(options: Partial<CommandDecoderOptions> = {}): CommandDecoder {
  return new CommandDecoder({
    captures: (bytes, start, end) => bytes.toString('latin1', start, Math.min(end, start + 2)) === 'p:',
    ignoreCommands: new Set(),
    offset: 0,
    db: 0,
    ...options,
  });
}

/** Decodes all pieces; every command that matters as text. */
export function told(decoder: CommandDecoder, pieces: Iterable<Buffer>): string[] {
  const texts: string[] = [];
  for (const piece of pieces) {
    decoder.push(piece);
    for (let command = decoder.next(); command !== undefined; command = decoder.next())
      texts.push(commandText(command));
  }
  return texts;
}

function at(db: number, key: Buffer): string {
  return `${db}/${text(key)}`;
}

function fieldsText(fields: Buffer): string {
  return unpackHash(fields)
    .map(([name, value]) => `${text(name)}=${text(value)}`)
    .join(' ');
}

function text(bytes: Buffer): string {
  return bytes.toString('latin1');
}
