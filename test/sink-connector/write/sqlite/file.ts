import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import type { Dialect } from '../../../../sink-connector/write/port.ts';
import { createDialect } from '../../../../sink-connector/write/registry.ts';
import type { Scope } from '../../../support/scope.ts';

/** A folder that goes with the test, and a database file in it, which is not there yet. */
export class TestFile {
  readonly folder = mkdtempSync(join(tmpdir(), 'afterwrite-sqlite-'));
  readonly path = join(this.folder, 'sink.db');

  constructor(scope: Scope) {
    scope.after(() => rm(this.folder, { recursive: true, force: true }));
  }

  dialect(path = this.path): Promise<Dialect> {
    return createDialect('warehouse', {
      kind: 'sqlite',
      path,
      create: true,
      evolve: false,
      batch: { rows: 100, bytes: 1_000_000, linger: 0 },
      http: { host: '127.0.0.1', port: 0 },
    });
  }

  /** Another program's connection. */
  open(): Database.Database {
    return new Database(this.path);
  }

  run(statements: string): void {
    const database = this.open();
    database.exec(statements);
    database.close();
  }

  /** Integers are bigints. */
  rows(query: string): unknown[] {
    const database = this.open();
    try {
      return database.prepare(query).raw().safeIntegers().all([]);
    } finally {
      database.close();
    }
  }
}
