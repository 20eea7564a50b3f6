/** The schema of the views below, and of what the stand-in keeps itself. */
export const systemSchema = 'SYS';
export const administrator = 'SYSTEM';

const types = `CASE c.DATA_TYPE
  WHEN 'CHARACTER VARYING' THEN 'VARCHAR2' WHEN 'CHARACTER' THEN 'CHAR' WHEN 'CHARACTER LARGE OBJECT' THEN 'CLOB'
  WHEN 'BINARY LARGE OBJECT' THEN 'BLOB' WHEN 'BINARY VARYING' THEN 'RAW' WHEN 'REAL' THEN 'BINARY_FLOAT'
  WHEN 'DOUBLE PRECISION' THEN 'BINARY_DOUBLE' WHEN 'NUMERIC' THEN 'NUMBER' WHEN 'DECFLOAT' THEN 'NUMBER'
  WHEN 'INTEGER' THEN 'NUMBER' WHEN 'BIGINT' THEN 'NUMBER'
  WHEN 'TIMESTAMP' THEN CASE c.DATETIME_PRECISION WHEN 0 THEN 'DATE' ELSE 'TIMESTAMP(' || c.DATETIME_PRECISION || ')' END
  WHEN 'TIMESTAMP WITH TIME ZONE' THEN 'TIMESTAMP(' || c.DATETIME_PRECISION || ') WITH TIME ZONE'
  ELSE c.DATA_TYPE END`;

/** Views of Oracle's data dictionary, as far as the sinks and the tests ask for it, over H2's own. */
const views: Readonly<Record<string, string>> = {
  ALL_OBJECTS: `SELECT TABLE_SCHEMA AS OWNER, TABLE_NAME AS OBJECT_NAME,
    CASE TABLE_TYPE WHEN 'VIEW' THEN 'VIEW' ELSE 'TABLE' END AS OBJECT_TYPE,
    CASE TABLE_TYPE WHEN 'GLOBAL TEMPORARY' THEN 'Y' ELSE 'N' END AS TEMPORARY FROM INFORMATION_SCHEMA.TABLES`,
  ALL_TAB_COLS: `SELECT c.TABLE_SCHEMA AS OWNER, c.TABLE_NAME, c.COLUMN_NAME, ${types} AS DATA_TYPE,
    SUBSTRING(c.IS_NULLABLE FROM 1 FOR 1) AS NULLABLE,
    CASE WHEN c.COLUMN_DEFAULT IS NULL THEN NULL ELSE LENGTH(c.COLUMN_DEFAULT) END AS DEFAULT_LENGTH,
    CASE c.IS_GENERATED WHEN 'ALWAYS' THEN 'YES' ELSE 'NO' END AS VIRTUAL_COLUMN, 'NO' AS HIDDEN_COLUMN,
    c.IS_IDENTITY AS IDENTITY_COLUMN, 'USING_NLS_COMP' AS COLLATION, c.ORDINAL_POSITION AS COLUMN_ID
    FROM INFORMATION_SCHEMA.COLUMNS AS c`,
  ALL_CONSTRAINTS: `SELECT TABLE_SCHEMA AS OWNER, TABLE_NAME, CONSTRAINT_NAME, 'ENABLED' AS STATUS, 'VALIDATED' AS VALIDATED,
    'NOT DEFERRABLE' AS DEFERRABLE, CASE CONSTRAINT_TYPE
      WHEN 'PRIMARY KEY' THEN 'P' WHEN 'UNIQUE' THEN 'U' WHEN 'FOREIGN KEY' THEN 'R' ELSE 'C' END AS CONSTRAINT_TYPE
    FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS`,
  ALL_CONS_COLUMNS: `SELECT TABLE_SCHEMA AS OWNER, TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, ORDINAL_POSITION AS "POSITION"
    FROM INFORMATION_SCHEMA.KEY_COLUMN_USAGE`,
  ALL_TAB_PRIVS: `SELECT GRANTEE, TABLE_SCHEMA, TABLE_NAME, PRIVILEGE_TYPE AS PRIVILEGE
    FROM INFORMATION_SCHEMA.TABLE_PRIVILEGES`,
  NLS_DATABASE_PARAMETERS: `SELECT 'NLS_CHARACTERSET' AS PARAMETER, 'AL32UTF8' AS "VALUE" FROM DUAL`,
  V$SESSION: `SELECT SESSION_ID AS SID, 1 AS "SERIAL#", USER_NAME AS USERNAME, BLOCKER_ID AS BLOCKING_SESSION
    FROM INFORMATION_SCHEMA.SESSIONS`,
  V$VERSION: `SELECT 'afterwrite stand-in: Oracle wire protocol, SQL executed by H2 in Oracle mode' AS BANNER FROM DUAL`,
};

/** A role that is granted to those who may do everything in other schemas, and a view that tells their rights. */
const farRole = 'FAR_RIGHTS';
const privileges = ['CREATE', 'ALTER', 'SELECT', 'INSERT', 'UPDATE', 'DELETE'].map((right) => `${right} ANY TABLE`);

/** What a new database is given, in order. A view is made again each time, so that old data get new ones. */
export function dictionaryStatements(password: string): string[] {
  const rights = privileges.map((right) => `SELECT '${right}' AS PRIVILEGE FROM DUAL`).join(' UNION ALL ');
  return [
    `CREATE SCHEMA IF NOT EXISTS "${systemSchema}"`,
    `CREATE SCHEMA IF NOT EXISTS "${administrator}"`,
    `CREATE TABLE IF NOT EXISTS "${systemSchema}".ACCOUNTS (NAME VARCHAR(128) PRIMARY KEY, PASSWORD VARCHAR(1000))`,
    `MERGE INTO "${systemSchema}".ACCOUNTS a USING (SELECT '${administrator}' AS NAME FROM DUAL) s ON (a.NAME = s.NAME) ` +
      `WHEN NOT MATCHED THEN INSERT (NAME, PASSWORD) VALUES (s.NAME, '${password}')`,
    `CREATE TABLE IF NOT EXISTS "${systemSchema}".FAR_USERS (NAME VARCHAR(128) PRIMARY KEY)`,
    ...Object.entries(views).map(([name, query]) => `CREATE OR REPLACE VIEW "${systemSchema}"."${name}" AS ${query}`),
    `CREATE OR REPLACE VIEW "${systemSchema}".SESSION_PRIVS AS SELECT PRIVILEGE FROM (${rights}) ` +
      `WHERE EXISTS (SELECT 1 FROM "${systemSchema}".FAR_USERS WHERE NAME = CURRENT_USER)`,
    `CREATE ROLE IF NOT EXISTS ${farRole}`,
    `GRANT ALTER ANY SCHEMA TO ${farRole}`,
    ...[...Object.keys(views), 'SESSION_PRIVS'].map((name) => `GRANT SELECT ON "${systemSchema}"."${name}" TO PUBLIC`),
  ];
}

/** Statements that let a user into other schemas. */
export function farRights(user: string): string[] {
  return [`GRANT ${farRole} TO "${user}"`, `INSERT INTO "${systemSchema}".FAR_USERS (NAME) VALUES ('${user}')`];
}

/** What a session's unqualified names mean: its schema, then the dictionary. */
export function schemaStatements(schema: string): string[] {
  const name = schema.replaceAll('"', '""');
  return [`SET SCHEMA "${name}"`, `SET SCHEMA_SEARCH_PATH "${name}", "${systemSchema}"`];
}
