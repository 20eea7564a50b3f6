import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { AfterwriteError } from '../../../../ops/errors/index.ts';
import { classifySqliteError } from '../../../../sink-connector/write/sqlite/errors.ts';
import { TestFile } from './file.ts';

test('what SQLite answers is classified by its result codes', (t) => {
  const file = new TestFile(t);
  const database = file.open();
  const kindOf = (statement: string): string => {
    try {
      database.exec(statement);
    } catch (error) {
      return classifySqliteError(error);
    }
    return 'no error';
  };
  database.exec(`
    PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON;
    CREATE TABLE parents (id INTEGER PRIMARY KEY) STRICT;
    CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parents, size INTEGER NOT NULL CHECK (size < 5),
      doc TEXT CHECK (json(doc) IS NOT NULL)) STRICT;
    CREATE TRIGGER refuse BEFORE INSERT ON children WHEN NEW.size = 3 BEGIN SELECT RAISE(ABORT, 'no 3'); END;
    INSERT INTO parents VALUES (1); INSERT INTO children VALUES (1, 1, 1, '{}')`);
  const expected = {
    'INSERT INTO nowhere VALUES (1)': 'structure',
    'INSERT INTO children (nothing) VALUES (1)': 'structure',
    'INSERT INTO parents VALUES (1)': 'data',
    "INSERT INTO parents VALUES ('x')": 'data',
    "INSERT INTO children VALUES (2, 1, NULL, '{}')": 'data',
    "INSERT INTO children VALUES (2, 1, 'x', '{}')": 'data',
    "INSERT INTO children VALUES (2, 1, 9, '{}')": 'data',
    "INSERT INTO children VALUES (2, 1, 3, '{}')": 'data',
    "INSERT INTO children VALUES (2, 1, 1, '{')": 'data',
    'INSERT INTO children VALUES (2, 1, 1, zeroblob(1000000001))': 'data',
    "INSERT INTO children VALUES (2, 7, 1, '{}')": 'dependency',
    'DELETE FROM parents': 'dependency',
    'PRAGMA max_page_count = 1; CREATE TABLE big AS SELECT randomblob(100000)': 'outage',
    'PRAGMA query_only = 1; INSERT INTO parents VALUES (2)': 'access',
    'PRAGMA query_only = 0; COMMIT': 'structure',
  };
  for (const [statement, kind] of Object.entries(expected)) assert.equal(kindOf(statement), kind, statement);
  const other = file.open();
  other.exec('BEGIN IMMEDIATE');
  assert.equal(kindOf('BEGIN IMMEDIATE'), 'outage');
  other.close();
  database.close();
});

test('what is no database is never waited for, and errors of this program stay what they are', async (t) => {
  const file = new TestFile(t);
  writeFileSync(file.path, 'no database'.repeat(500));
  const dialect = await file.dialect();
  const error = await dialect.prepare([], { create: true, evolve: false }).catch((thrown: unknown) => thrown);
  assert.match(String(error), /not a database/);
  assert.equal(dialect.classify(error), 'unknown');
  assert.equal(classifySqliteError(new AfterwriteError('SECRET_UNRESOLVED', 'x')), 'access');
  assert.equal(classifySqliteError(new TypeError('x is not a function')), 'unknown');
});
