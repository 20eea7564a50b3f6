import type { Connection, Note } from './recipe.ts';
import { unreadIn, type PythonValue } from './python-value.ts';

/** Where a sink stands, in the words of its kind; the rest of its options has defaults. */
export type SinkPlace = Readonly<Record<string, unknown>>;

/**
 * A connection of the recipe as the options of a sink. Secrets become references, whatever stood there, and what was not
 * read becomes one to a variable that is named in the notes.
 */
export function sinkOf(name: string, connection: Connection, notes: Note[]): SinkPlace {
  const parts = new Parts(name, connection, notes);
  switch (connection.kind) {
    case 'postgres':
    case 'mysql':
      return { kind: connection.kind, url: `${connection.kind}://${parts.login('passwd')}@${parts.text('db')}` };
    case 'sqlite':
      // The recipe opened it from the root of the file system, with or without a slash.
      return { kind: 'sqlite', path: parts.text('filePath').replace(/^(?![/$])/, '/') };
    case 'cassandra':
      return {
        kind: 'cassandra',
        contactPoints: parts.text('db').split(/\s+/),
        localDataCenter: parts.unknown(
          'DATA_CENTER',
          'the recipe knew no data center: SELECT data_center FROM system.local',
        ),
        user: parts.text('user'),
        password: parts.secret('password'),
        keyspace: parts.text('keyspace'),
      };
    case 'oracle':
      return {
        kind: 'oracle',
        connectString: parts.text('db'),
        user: parts.text('user'),
        password: parts.secret('passwd'),
      };
    case 'snowflake': {
      // A database may be followed by its schema, as SQLAlchemy has it.
      const [database, schema] = parts.text('db').split('/');
      return {
        kind: 'snowflake',
        account: parts.text('account'),
        user: parts.text('user'),
        password: parts.secret('passwd'),
        warehouse: parts.unknown('WAREHOUSE', "the recipe took the user's default"),
        database,
        ...(schema === undefined ? {} : { schema }),
      };
    }
  }
}

class Parts {
  readonly #name: string;
  readonly #connection: Connection;
  readonly #notes: Note[];

  constructor(name: string, connection: Connection, notes: Note[]) {
    this.#name = name;
    this.#connection = connection;
    this.#notes = notes;
  }

  /** A reference to a variable of the process, for what a person has to fill in. */
  unknown(part: string, why: string): string {
    const variable = `${this.#name}_${part}`.toUpperCase().replace(/[^A-Z0-9]/g, '_');
    this.#notes.push({ line: this.#connection.line, text: `set ${variable}: ${why}` });
    return `\${env:${variable}}`;
  }

  text(parameter: string): string {
    const value = this.#connection.parameters.get(parameter);
    if (value?.kind === 'text' && value.text !== '') return value.text;
    return this.#reference(parameter, value);
  }

  secret(parameter: string): string {
    const value = this.#connection.parameters.get(parameter);
    if (value?.kind !== 'text') return this.#reference(parameter, value);
    return this.unknown(parameter, 'the script holds it as text, which is not copied');
  }

  /** user:password of a URL. */
  login(password: string): string {
    const user = this.text('user');
    const plain = this.#connection.parameters.get('user')?.kind === 'text';
    return `${plain ? encodeURIComponent(user) : user}:${this.secret(password)}`;
  }

  #reference(parameter: string, value: PythonValue | undefined): string {
    if (value?.kind === 'environment') return `\${env:${value.name}}`;
    const unread = value === undefined ? undefined : unreadIn(value);
    const why = unread === undefined ? 'the script does not give it' : `not read: ${unread}`;
    return this.unknown(parameter, why);
  }
}
