import { dictionaryStatements, farRights, systemSchema } from './dictionary.ts';
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

  /** Makes a trigger, which H2 lets its administrator do alone. */
  async createTrigger(schema: string, trigger: string, table: string): Promise<void> {
    await this.#engine.define(
      `CREATE TRIGGER ${name(schema)}.${name(trigger)} AFTER INSERT, UPDATE ON ${name(schema)}.${name(table)} ` +
        'FOR EACH ROW CALL "Bridge$Noting"',
    );
  }

  /** Carries out a statement about users. */
  async carryOut(statement: Statement): Promise<void> {
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
        await this.#engine.define(`DELETE FROM "${systemSchema}".FAR_USERS WHERE NAME = ${quoted(statement.user)}`);
        await this.#engine.define(`DROP USER ${name(statement.user)}`);
        await this.#engine.define(`DELETE FROM "${systemSchema}".ACCOUNTS WHERE NAME = ${quoted(statement.user)}`);
        return;
      }
      case 'grant': {
        for (const grant of statement.rights.length > 0 ? farRights(statement.user) : [])
          await this.#engine.define(grant);
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
