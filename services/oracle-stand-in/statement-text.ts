import type { BindType } from './execute-request.ts';
import { oraType } from './oracle-values.ts';
import { OraError } from './ora-errors.ts';

/** What a statement is to this stand-in. Whatever is none of it is refused: nothing is passed over in silence. */
export type Statement =
  | { readonly kind: 'run'; readonly sql: string }
  | { readonly kind: 'define'; readonly sql: string }
  | { readonly kind: 'set-schema'; readonly schema: string }
  | { readonly kind: 'set-nothing' }
  | { readonly kind: 'kill-session'; readonly session: number }
  | { readonly kind: 'create-user'; readonly user: string; readonly password: string }
  | { readonly kind: 'alter-user'; readonly user: string; readonly password: string }
  | { readonly kind: 'drop-user'; readonly user: string }
  /** @see Bridge.java: the trigger's name says what it does. */
  | { readonly kind: 'create-trigger'; readonly name: string; readonly table: string }
  | { readonly kind: 'grant'; readonly rights: readonly string[]; readonly user: string };

const identifier = String.raw`("[^"]+"|[\w$#]+)`;
const secret = String.raw`("[^"]*(?:""[^"]*)*"|[\w$#]+)`;

/** Settings of a session that say what H2 does anyway, or what has no meaning for it. */
const knownSettings: readonly RegExp[] = [
  /^NLS_NUMERIC_CHARACTERS = '\.,'$/i,
  /^NLS_(COMP|SORT) = BINARY$/i,
  /^NLS_CALENDAR = 'GREGORIAN'$/i,
  /^TIME_ZONE = '\+00:00'$/i,
  /^ISOLATION_LEVEL = READ COMMITTED$/i,
  /^DDL_LOCK_TIMEOUT = \d+$/i,
];

/** System rights that every user of the stand-in has, and those that reach into other schemas. */
const ordinaryRights = /^(CREATE SESSION|CREATE TABLE|CREATE VIEW|CREATE TRIGGER|UNLIMITED TABLESPACE)$/;
const farRights = /^(CREATE|ALTER|DROP|SELECT|INSERT|UPDATE|DELETE) ANY TABLE$/;

type Recognise = (parts: readonly string[]) => Statement;

/** Statements that the stand-in carries out itself, by their form. */
const special: readonly (readonly [form: RegExp, recognise: Recognise])[] = [
  [
    new RegExp(`^ALTER SESSION SET CURRENT_SCHEMA = ${identifier}$`, 'i'),
    ([schema = '']) => ({ kind: 'set-schema', schema: nameOf(schema) }),
  ],
  [
    /^ALTER SESSION SET (.*)$/is,
    ([settings = '']) => {
      for (const setting of settings.split(/\s+(?=[A-Z_]+ = )/i)) {
        if (!knownSettings.some((known) => known.test(setting))) throw unknown(`ALTER SESSION SET ${setting}`);
      }
      return { kind: 'set-nothing' };
    },
  ],
  [
    /^ALTER SYSTEM KILL SESSION '(\d+),\d+' IMMEDIATE$/i,
    ([session = '']) => ({ kind: 'kill-session', session: Number(session) }),
  ],
  [
    new RegExp(`^CREATE USER ${identifier} IDENTIFIED BY ${secret}$`, 'i'),
    ([user = '', password = '']) => ({ kind: 'create-user', user: nameOf(user), password: unquoted(password) }),
  ],
  [
    new RegExp(`^ALTER USER ${identifier} IDENTIFIED BY ${secret}$`, 'i'),
    ([user = '', password = '']) => ({ kind: 'alter-user', user: nameOf(user), password: unquoted(password) }),
  ],
  [new RegExp(`^DROP USER ${identifier} CASCADE$`, 'i'), ([user = '']) => ({ kind: 'drop-user', user: nameOf(user) })],
  [
    new RegExp(`^GRANT ([A-Z ,]+) TO ${identifier}$`, 'i'),
    ([rights = '', user = '']) => {
      const list = rights.toUpperCase().split(/\s*,\s*/);
      const strange = list.find((right) => !ordinaryRights.test(right) && !farRights.test(right));
      if (strange !== undefined) throw unknown(`GRANT ${strange}`);
      return { kind: 'grant', rights: list.filter((right) => farRights.test(right)), user: nameOf(user) };
    },
  ],
  [
    // The one form of a trigger that is known: it notes each row that is written in another table. Bridge.java does so.
    new RegExp(
      `^CREATE TRIGGER ${identifier} AFTER INSERT OR UPDATE ON ${identifier} FOR EACH ROW BEGIN ` +
        String.raw`INSERT INTO ${identifier} \(([\w, ]+)\) VALUES \(:NEW\.(\w+(?:, :NEW\.\w+)*)\); END;$`,
      'i',
    ),
    ([trigger = '', table = '', target = '', columns = '', values = '']) => {
      const parts = [nameOf(trigger), nameOf(target), ...[columns, values].map((list) => list.toUpperCase())];
      const name = parts.join('|').replaceAll(/, (:NEW\.)?/g, ',');
      return { kind: 'create-trigger', name, table: nameOf(table) };
    },
  ],
];

const runs = /^(SELECT|WITH|INSERT|UPDATE|DELETE|MERGE|SAVEPOINT|ROLLBACK TO SAVEPOINT)\b/i;
const defines =
  /^(CREATE (TABLE|VIEW|INDEX|UNIQUE INDEX)|ALTER TABLE|DROP (TABLE|VIEW|INDEX)|GRANT|REVOKE|TRUNCATE TABLE)\b/i;

/** @param text without a semicolon at its end @throws OraError ORA-00900 for what is not known */
export function statementOf(text: string): Statement {
  const sql = text.trim();
  for (const [form, recognise] of special) {
    const parts = form.exec(sql);
    if (parts !== null) return recognise(parts.slice(1));
  }
  if (runs.test(sql)) return { kind: 'run', sql };
  if (defines.test(sql)) return { kind: 'define', sql: definitionOf(sql) };
  throw unknown(sql);
}

function unknown(text: string): OraError {
  return new OraError(900, `invalid SQL statement [the stand-in does not know: ${text.slice(0, 100)}]`);
}

/** An identifier as the database keeps it. */
function nameOf(text: string): string {
  return text.startsWith('"') ? unquoted(text) : text.toUpperCase();
}

function unquoted(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text;
}

/** What H2 writes otherwise. */
function definitionOf(sql: string): string {
  return sql.replace(/\s+CASCADE CONSTRAINTS(\s+PURGE)?$/i, ' CASCADE').replace(/\s+PURGE$/i, '');
}

/** The type that H2 is told a bind has: it knows none of a parameter that stands alone. */
const castOf: ReadonlyMap<number, string> = new Map([
  [oraType.varchar, 'VARCHAR'],
  [oraType.char, 'VARCHAR'],
  [oraType.number, 'DECFLOAT(40)'],
  [oraType.integer, 'DECFLOAT(40)'],
  [oraType.date, 'TIMESTAMP(0)'],
  [oraType.timestamp, 'TIMESTAMP(9)'],
  [oraType.timestampTz, 'TIMESTAMP(9) WITH TIME ZONE'],
  [oraType.timestampLtz, 'TIMESTAMP(9) WITH TIME ZONE'],
  [oraType.raw, 'VARBINARY'],
  [oraType.binaryDouble, 'DOUBLE PRECISION'],
  [oraType.binaryFloat, 'REAL'],
  [oraType.clob, 'CLOB'],
  [oraType.blob, 'BLOB'],
]);

/** Texts, quoted names, comments, binds, and what else has to be said to H2 in another way. */
const tokens =
  /'(?:[^']|'')*'|"[^"]*"|--[^\n]*|\/\*[\s\S]*?\*\/|:(\w+)|SYS_CONTEXT\('USERENV', '(CURRENT_SCHEMA|SESSION_USER)'\)/g;

/** A statement with `?` for each bind, in H2's words. @throws OraError ORA-01008 when there are not as many binds */
export function forH2(sql: string, binds: readonly BindType[]): string {
  let bound = 0;
  const told = sql.replaceAll(tokens, (token: string, bind: string | undefined, context: string | undefined) => {
    if (context !== undefined) return context === 'SESSION_USER' ? 'CURRENT_USER' : 'CURRENT_SCHEMA';
    if (bind === undefined) return token;
    const type = binds[bound++];
    if (type === undefined) throw new OraError(1008, 'not all variables bound');
    const cast = castOf.get(type.type);
    if (cast === undefined) throw new OraError(3115, `the stand-in does not know binds of type ${type.type}`);
    // A text that is longer than a text can be is a LONG, which only a LONG or a LOB takes.
    return `CAST(? AS ${type.size > 32_767 && cast === 'VARCHAR' ? 'CLOB' : cast})`;
  });
  if (bound !== binds.length) throw new OraError(1006, 'bind variable does not exist');
  return told;
}
