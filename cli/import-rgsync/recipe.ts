import type { PythonCall, PythonValue } from './python-value.ts';
import type { ReadScript } from './python-script.ts';

/** A database of the recipe: one of its connection objects. */
export interface Connection {
  readonly kind: ConnectionKind;
  /** Its parameters by their names in the recipe, of those that were given. */
  readonly parameters: ReadonlyMap<string, PythonValue>;
  readonly line: number;
}

/** One RGWriteBehind or RGWriteThrough call. */
export interface Registration {
  readonly through: boolean;
  readonly parameters: ReadonlyMap<string, PythonValue>;
  readonly line: number;
  readonly connection: Connection;
  readonly table: PythonValue;
  readonly primaryKey: PythonValue;
  readonly exactlyOnce: boolean;
}

/** Something that a person has to look at. */
export interface Note {
  readonly line: number;
  readonly text: string;
}

export interface Recipe {
  readonly registrations: readonly Registration[];
  readonly notes: readonly Note[];
}

const login = ['user', 'passwd', 'db'];

/** The recipe's connections, their parameters in order, and whether there is a kind of sink for each. */
const connections = {
  PostgresConnection: { sink: 'postgres', parameters: login },
  MySqlConnection: { sink: 'mysql', parameters: login },
  SQLiteConnection: { sink: 'sqlite', parameters: ['filePath'] },
  CqlConnection: { sink: 'cassandra', parameters: ['user', 'password', 'db', 'keyspace'] },
  OracleSqlConnection: { sink: 'oracle', parameters: login },
  SnowflakeSqlConnection: { sink: 'snowflake', parameters: [...login, 'account'] },
} as const;

export type ConnectionKind = (typeof connections)[keyof typeof connections]['sink'];

const unsupported = /^(MsSql|DB2|Mongo|Redis|RedisCluster)Connect(ion|or)$|^SimpleHashConnector$/;

const connectorParameters = ['connection', 'tableName', 'pk', 'exactlyOnceTableName'];
const connectors = new Set([
  'PostgresConnector',
  'MySqlConnector',
  'SQLiteConnector',
  'CqlConnector',
  'OracleSqlConnector',
  'SnowflakeSqlConnector',
]);

const registrationParameters = ['GB', 'keysPrefix', 'mappings', 'connector', 'name', 'version'];
const behindParameters = [
  ...registrationParameters,
  'onFailedRetryInterval',
  'batch',
  'duration',
  'transform',
  'eventTypes',
];
const registrations: Readonly<Record<string, { through: boolean; parameters: readonly string[] }>> = {
  RGWriteBehind: { through: false, parameters: behindParameters },
  RGWriteThrough: { through: true, parameters: registrationParameters },
};

/** Finds the registrations of a script, with the connector and connection of each. What is none of the recipe's is named. */
export function recipeOf({ calls, skipped }: ReadScript): Recipe {
  const notes: Note[] = skipped.map(({ source, line }) => ({ line, text: `not read: ${source}` }));
  const found: Registration[] = [];
  const known = new Map<PythonCall, Connection>();
  for (const call of calls) {
    const form = registrations[call.callee];
    if (form === undefined) {
      if (/^RG[A-Z]/.test(call.callee))
        notes.push({ line: call.line, text: `there is nothing like ${call.callee} here` });
      continue;
    }
    const parameters = parametersOf(call, form.parameters, notes);
    const connector = parameters.get('connector');
    const target = connector === undefined ? undefined : targetOf(connector, known, notes);
    if (target === undefined)
      notes.push({ line: call.line, text: `${call.callee} is left out: its connector is not known` });
    else found.push({ through: form.through, parameters, line: call.line, ...target });
  }
  return { registrations: found, notes };
}

function targetOf(
  connector: PythonValue,
  known: Map<PythonCall, Connection>,
  notes: Note[],
): Pick<Registration, 'connection' | 'table' | 'primaryKey' | 'exactlyOnce'> | undefined {
  if (connector.kind !== 'call' || !connectors.has(connector.callee)) {
    notes.push(whyUnknown(connector));
    return undefined;
  }
  const parameters = parametersOf(connector, connectorParameters, notes);
  const [made, table, primaryKey] = ['connection', 'tableName', 'pk'].map((name) => parameters.get(name));
  const connection = made === undefined ? undefined : connectionOf(made, known, notes);
  if (connection === undefined || table === undefined || primaryKey === undefined) return undefined;
  const once = parameters.get('exactlyOnceTableName');
  return { connection, table, primaryKey, exactlyOnce: once !== undefined && once.kind !== 'none' };
}

/** The same object of the script is the same connection here: one sink, whatever number of tables it writes. */
function connectionOf(made: PythonValue, known: Map<PythonCall, Connection>, notes: Note[]): Connection | undefined {
  if (made.kind !== 'call' || !isConnection(made.callee)) {
    notes.push(whyUnknown(made));
    return undefined;
  }
  const before = known.get(made);
  if (before !== undefined) return before;
  const { sink, parameters } = connections[made.callee];
  const connection = { kind: sink, parameters: parametersOf(made, parameters, notes), line: made.line };
  known.set(made, connection);
  return connection;
}

function isConnection(callee: string): callee is keyof typeof connections {
  return Object.hasOwn(connections, callee);
}

function whyUnknown(value: PythonValue): Note {
  if (value.kind === 'unread') return { line: value.line, text: `not read: ${value.source}` };
  if (value.kind !== 'call') return { line: 0, text: `a ${value.kind} where a connector or a connection is expected` };
  const { callee, line } = value;
  if (unsupported.test(callee)) return { line, text: `there is no kind of sink for ${callee}` };
  return { line, text: `${callee} is no connector or connection of the recipe` };
}

/** A call's arguments by the names of its parameters. */
function parametersOf(call: PythonCall, names: readonly string[], notes: Note[]): ReadonlyMap<string, PythonValue> {
  const given = new Map<string, PythonValue>();
  call.positional.forEach((value, index) => {
    const name = names[index];
    if (name !== undefined) given.set(name, value);
    else notes.push({ line: call.line, text: `${call.callee} has more arguments than the recipe knows` });
  });
  for (const [name, value] of call.keywords) {
    if (names.includes(name)) given.set(name, value);
    else notes.push({ line: call.line, text: `${call.callee} has no parameter ${name}` });
  }
  return given;
}
