import { administrator, dictionaryStatements, farRights, systemSchema } from './dictionary.ts';
import type { Engine } from './engine.ts';
import { OraError } from './ora-errors.ts';
import type { Statement } from './statement-text.ts';

/** Every user of H2 has this password: who somebody is was found out by Oracle's login before. */
export const enginePassword = 'behind-the-stand-in';

/** The users of a database, which are its schemas, too, and their passwords; a login needs them as they are. */
export class Accounts {
  readonly #engine: Engine;

  private constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** @param engine a session of the administrator @param password the administrator's */
  static async open(engine: Engine, password: string): Promise<Accounts> {
    for (const statement of dictionaryStatements(password)) await engine.define(statement);
    return new Accounts(engine);
  }

  async passwordOf(user: string): Promise<string | undefined> {
    const rows = await this.#engine.texts(
      `SELECT PASSWORD FROM "${systemSchema}".ACCOUNTS WHERE NAME = ${quoted(user)}`,
    );
    return rows[0]?.[0] ?? undefined;
  }

  /** Ends a session of H2. @param session its number */
  async kill(session: number): Promise<void> {
    const [[done] = []] = await this.#engine.texts(`SELECT CAST(ABORT_SESSION(${session}) AS VARCHAR)`);
    if (done !== 'TRUE') throw new OraError(30, 'User session ID does not exist.');
  }

  /** Carries out a statement about users. @param by who says it: the administrator alone may */
  async carryOut(statement: Statement, by: string): Promise<void> {
    if (by !== administrator) throw new OraError(1031, 'insufficient privileges');
    switch (statement.kind) {
      case 'create-user': {
        const user = name(statement.user);
        await this.#engine.define(`CREATE USER ${user} PASSWORD ${quoted(enginePassword)}`);
        await this.#engine.define(`CREATE SCHEMA ${user} AUTHORIZATION ${user}`);
        await this.#engine.define(
          `INSERT INTO "${systemSchema}".ACCOUNTS VALUES (${quoted(statement.user)}, ${quoted(statement.password)})`,
        );
        return;
      }
      case 'alter-user': {
        await this.#engine.define(
          `UPDATE "${systemSchema}".ACCOUNTS SET PASSWORD = ${quoted(statement.password)} WHERE NAME = ${quoted(statement.user)}`,
        );
        return;
      }
      case 'drop-user': {
        const sessions = `SELECT SESSION_ID FROM INFORMATION_SCHEMA.SESSIONS WHERE USER_NAME = ${quoted(statement.user)}`;
        if ((await this.#engine.texts(sessions)).length > 0) {
          throw new OraError(1940, 'cannot drop a user that is currently connected');
        }
        await this.#engine.define(`DROP SCHEMA ${name(statement.user)} CASCADE`);
        await this.#engine.define(`DROP USER ${name(statement.user)}`);
        await this.#engine.define(`DELETE FROM "${systemSchema}".ACCOUNTS WHERE NAME = ${quoted(statement.user)}`);
        return;
      }
      case 'grant': {
        if (statement.rights.length > 0) await this.#engine.define(farRights(statement.user));
        return;
      }
      case 'kill-session': {
        await this.kill(statement.session);
        return;
      }
      default:
        throw new Error(`${statement.kind} is not about users`);
    }
  }
}

function name(user: string): string {
  return `"${user.replaceAll('"', '""')}"`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
