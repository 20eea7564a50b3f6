import type { Accounts } from './accounts.ts';
import { writeEnd, writeStatus, type CallState } from './call-end.ts';
import { administrator, schemaStatements } from './dictionary.ts';
import { Engine } from './engine.ts';
import { readExecute, readReexecute, type BindType, type ExecuteRequest } from './execute-request.ts';
import { dataTypesAnswer, passProtocolRequest, protocolAnswer, readDataTypesRequest } from './handshake.ts';
import { Lobs } from './lobs.ts';
import { Login, readLoginRequest, writeWelcome } from './login.ts';
import { OraError } from './ora-errors.ts';
import { readPiggyback } from './piggybacks.ts';
import type { Protocol } from './protocol.ts';
import { needsDefines, writeDescription, writeQueryParameters, writeRows, type Result } from './query-answer.ts';
import { forH2, statementOf, type Statement } from './statement-text.ts';
import { TtcReader, TtcWriter } from './ttc-codec.ts';

/** What sessions share. */
export interface Database {
  readonly protocol: Protocol;
  readonly service: string;
  readonly accounts: Accounts;
  /** By their numbers. */
  readonly sessions: Map<number, Session>;
  /** Opens a session of H2 for a user of it. */
  openEngine(user: string): Engine;
}

/** Kinds of messages that a client sends. */
const messageKind = { protocol: 1, dataTypes: 2, call: 3, piggyback: 17, fastLogin: 34 } as const;
/** Functions that it calls. */
const call = {
  reexecute: 4,
  fetch: 5,
  logoff: 9,
  commit: 14,
  rollback: 15,
  reexecuteAndFetch: 78,
  execute: 94,
  lob: 96,
  secondLogin: 115,
  firstLogin: 118,
  ping: 147,
} as const;

interface Cursor {
  readonly id: number;
  readonly statement: Statement;
  binds: readonly BindType[];
  defines: readonly BindType[] | undefined;
  result: Result | undefined;
}

/**
 * Answers the messages of one client, one after another.
 *
 *   message := protocol request | data types request | fast login | piggyback* call
 *   call    := 3 function:1 sequence:1 [ ub(token) ] …        the token from field version 18 on, once both know it
 */
export class Session implements CallState {
  readonly protocol: Protocol;
  readonly #database: Database;
  readonly #lobs = new Lobs();
  readonly #cursors = new Map<number, Cursor>();
  #login: Login | undefined;
  #engine: Engine | undefined;
  #user = '';
  #schema = '';
  #number = 0;
  #nextCursor = 1;
  sequence = 0;
  inTransaction = false;
  /** Called when the database ends the session. */
  onEnd: () => void = () => undefined;

  constructor(database: Database) {
    this.#database = database;
    this.protocol = database.protocol;
  }

  close(): void {
    this.#database.sessions.delete(this.#number);
    this.#engine?.close();
  }

  /**
   * Answers one message.
   * @returns undefined for a client that leaves
   * @throws Error for what this stand-in cannot read: the connection must end
   */
  async answer(message: Buffer): Promise<Buffer | undefined> {
    const reader = new TtcReader(message);
    for (;;) {
      switch (reader.u8()) {
        case messageKind.protocol:
          passProtocolRequest(reader);
          return protocolAnswer(this.protocol);
        case messageKind.dataTypes:
          return dataTypesAnswer(readDataTypesRequest(reader));
        case messageKind.fastLogin:
          return await this.#answerFastLogin(reader);
        case messageKind.piggyback:
          await this.#readPiggyback(reader);
          break;
        case messageKind.call:
          return await this.#answerCall(reader);
        default:
          throw new Error(`a TTC message of no known kind: ${message.subarray(0, 16).toString('hex')}`);
      }
    }
  }

  /** fast := version:1 flags:1 flags:1 1 protocol-request charset:2 flags:1 charset:2 flags:1 2 data-types-request 3 118 sequence:1 login */
  async #answerFastLogin(reader: TtcReader): Promise<Buffer> {
    reader.raw(3);
    expect(reader, messageKind.protocol);
    passProtocolRequest(reader);
    reader.raw(6);
    expect(reader, messageKind.dataTypes);
    const hasZone = readDataTypesRequest(reader);
    expect(reader, messageKind.call);
    expect(reader, call.firstLogin);
    reader.u8();
    const handshake = [protocolAnswer(this.protocol), dataTypesAnswer(hasZone)];
    return Buffer.concat([...handshake, await this.#firstLogin(reader)]);
  }

  async #readPiggyback(reader: TtcReader): Promise<void> {
    const kind = reader.u8();
    this.#passHead(reader);
    let schema: string | undefined;
    readPiggyback(kind, reader, {
      closeCursor: (cursor) => void this.#cursors.delete(cursor),
      freeLobs: (locators) => {
        this.#lobs.free(locators);
      },
      setSchema: (name) => {
        schema = name;
      },
    });
    if (schema !== undefined) await this.#setSchema(schema);
  }

  #passHead(reader: TtcReader): void {
    reader.u8();
    if (this.protocol.fieldVersion >= 18 && this.#login !== undefined) reader.ub();
  }

  async #answerCall(reader: TtcReader): Promise<Buffer | undefined> {
    const wanted = reader.u8();
    this.#passHead(reader);
    this.sequence++;
    try {
      return await this.#carryOut(wanted, reader);
    } catch (error) {
      if (!(error instanceof OraError)) throw error;
      if (error.rowsBefore > 0) this.inTransaction = true;
      const writer = new TtcWriter();
      writeEnd(writer, this, { error });
      return writer.message;
    }
  }

  async #carryOut(wanted: number, reader: TtcReader): Promise<Buffer | undefined> {
    const writer = new TtcWriter();
    switch (wanted) {
      case call.firstLogin:
        return await this.#firstLogin(reader);
      case call.secondLogin:
        return await this.#secondLogin(reader);
      case call.execute:
        return await this.#execute(readExecute(reader, this.protocol, (locator) => this.#lobs.value(locator)));
      case call.reexecute:
      case call.reexecuteAndFetch: {
        const fetches = wanted === call.reexecuteAndFetch;
        const bindsOf = (cursor: number): readonly BindType[] => this.#cursor(cursor).binds;
        return await this.#execute(readReexecute(reader, fetches, bindsOf, (locator) => this.#lobs.value(locator)));
      }
      case call.fetch: {
        const cursor = this.#cursor(reader.ub());
        this.#writeRows(writer, cursor, reader.ub());
        return writer.message;
      }
      case call.commit:
        await this.#signedIn.commit();
        this.inTransaction = false;
        break;
      case call.rollback:
        await this.#signedIn.rollback();
        this.inTransaction = false;
        break;
      case call.lob:
        this.#lobs.answer(reader, writer);
        writeEnd(writer, this);
        return writer.message;
      case call.logoff:
        await this.#signedIn.rollback();
        break;
      case call.ping:
        break;
      default:
        throw new OraError(3115, `the stand-in does not know the TTC function ${wanted}`);
    }
    writeStatus(writer, this);
    return writer.message;
  }

  async #firstLogin(reader: TtcReader): Promise<Buffer> {
    const user = readLoginRequest(reader).user.toUpperCase();
    this.#login = new Login(user, await this.#database.accounts.passwordOf(user));
    const writer = new TtcWriter();
    this.#login.challenge(writer);
    writeEnd(writer, this);
    return writer.message;
  }

  async #secondLogin(reader: TtcReader): Promise<Buffer> {
    if (this.#login === undefined) throw new Error('the second login message came first');
    const proof = this.#login.answer(readLoginRequest(reader));
    this.#user = this.#login.user;
    const engine = this.#database.openEngine(this.#user);
    engine.onEnd(() => {
      this.onEnd();
    });
    this.#engine = engine;
    await this.#setSchema(this.#user);
    const [[session] = []] = await engine.texts('SELECT SESSION_ID()');
    this.#number = Number(session);
    this.#database.sessions.set(this.#number, this);
    const writer = new TtcWriter();
    writeWelcome(writer, this.protocol, this.#database.service, this.#number, proof);
    writeEnd(writer, this);
    return writer.message;
  }

  get #signedIn(): Engine {
    if (this.#engine === undefined) throw new OraError(1012, 'not logged on');
    return this.#engine;
  }

  async #setSchema(schema: string): Promise<void> {
    this.#schema = schema;
    for (const statement of schemaStatements(schema)) await this.#signedIn.define(statement);
  }

  #cursor(id: number): Cursor {
    const cursor = this.#cursors.get(id);
    if (cursor === undefined) throw new OraError(1001, 'invalid cursor');
    return cursor;
  }

  #open(sql: string, id: number): Cursor {
    const cursor = {
      id: id === 0 ? this.#nextCursor++ : id,
      statement: statementOf(sql),
      binds: [],
      defines: undefined,
      result: undefined,
    };
    this.#cursors.set(cursor.id, cursor);
    return cursor;
  }

  async #execute(request: ExecuteRequest): Promise<Buffer> {
    const cursor = request.sql === undefined ? this.#cursor(request.cursor) : this.#open(request.sql, request.cursor);
    const writer = new TtcWriter();
    if (request.defines !== undefined) {
      cursor.defines = request.defines;
      if (request.fetch > 0) this.#writeRows(writer, cursor, request.fetch);
      else writeEnd(writer, this, { cursor: cursor.id });
      return writer.message;
    }
    if (!request.executes) throw new OraError(3115, 'the stand-in does not parse without executing');
    cursor.binds = request.binds;
    await this.#run(cursor, request, writer);
    return writer.message;
  }

  async #run(cursor: Cursor, request: ExecuteRequest, writer: TtcWriter): Promise<void> {
    const { statement } = cursor;
    if (statement.kind !== 'run') {
      await this.#carryOutStatement(statement);
      this.#writeCounts(writer, cursor, [], request);
      writeEnd(writer, this, { cursor: cursor.id });
      return;
    }
    const sql = forH2(statement.sql, request.binds);
    const outcome = await this.#signedIn.execute(sql, request.binds, request.rows, request.batchErrors);
    if ('columns' in outcome) {
      cursor.result = { ...outcome, sent: 0 };
      writeDescription(writer, cursor.result, this.protocol.fieldVersion);
      if (needsDefines(cursor.result)) {
        writeQueryParameters(writer);
        writeEnd(writer, this, { cursor: cursor.id });
        return;
      }
      this.#writeRows(writer, cursor, request.fetch, () => {
        writeQueryParameters(writer);
      });
      return;
    }
    if (!/^(SAVEPOINT|ROLLBACK)\b/i.test(statement.sql)) this.inTransaction = true;
    if (request.commits) {
      await this.#signedIn.commit();
      this.inTransaction = false;
    }
    const rows = outcome.counts.reduce((sum, count) => sum + count, 0);
    this.#writeCounts(writer, cursor, outcome.counts, request);
    writeEnd(writer, this, { cursor: cursor.id, rows, rowErrors: outcome.rowErrors });
  }

  /** answer := 8 ub(6) ub(SCN) n ub(cursor) n n n n n n [ ub(n) ub(count)* ] end */
  #writeCounts(writer: TtcWriter, cursor: Cursor, counts: readonly number[], { rowCounts }: ExecuteRequest): void {
    writer.u8(8).ub(6, 1_000_000 + this.sequence, 0, cursor.id, 1, 0, 0, 0, 0, 0);
    if (rowCounts) writer.ub(counts.length, ...counts);
  }

  async #carryOutStatement(statement: Statement): Promise<void> {
    this.inTransaction = false;
    switch (statement.kind) {
      case 'define':
        await this.#signedIn.define(statement.sql);
        return;
      case 'set-schema':
        await this.#setSchema(statement.schema);
        return;
      case 'create-trigger':
        await this.#database.accounts.createTrigger(this.#schema, statement.name, statement.table);
        return;
      case 'set-nothing':
        return;
      default:
        if (this.#user !== administrator) throw new OraError(1031, 'insufficient privileges');
        if (statement.kind === 'kill-session') this.#kill(statement.session);
        else await this.#database.accounts.carryOut(statement);
    }
  }

  /** H2 may let it wait for a lock on, and undoes what it did when the lock is given: nobody asks it for more. */
  #kill(session: number): void {
    const killed = this.#database.sessions.get(session);
    if (killed === undefined) throw new OraError(30, 'User session ID does not exist.');
    killed.onEnd();
  }

  #writeRows(writer: TtcWriter, cursor: Cursor, count: number, afterRows?: () => void): void {
    if (cursor.result === undefined) throw new OraError(1002, 'fetch out of sequence');
    writeRows(writer, this, cursor.id, cursor.result, {
      count,
      defines: cursor.defines,
      keep: (type, value) => this.#lobs.keep(type, value),
      ...(afterRows !== undefined && { afterRows }),
    });
  }
}

function expect(reader: TtcReader, kind: number): void {
  const found = reader.u8();
  if (found !== kind) throw new Error(`${found} where ${kind} was expected in a fast login`);
}
