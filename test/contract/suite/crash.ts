import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { EventLog } from '../../support/sink/event-log.ts';
import { createWorker, parsed, sinkYaml } from '../../support/sink/worker.ts';
import { untilEqual } from '../../support/until.ts';
import type { ContractBinding } from '../binding.ts';
import { inOrder } from '../canonical.ts';
import { auditFindings, versionsOf } from './audit.ts';
import { offsetsOf, untilWritten } from './sink.ts';
import { persons, Stage } from './stage.ts';

const program = fileURLToPath(new URL('../../support/sink/run-sink.js', import.meta.url));

/** Every step of the commit protocol, in its order. */
const steps = ['sink.begun', 'sink.rows-written', 'sink.offset-moved', 'sink.before-commit', 'sink.committed'] as const;

/** A worker that ends at any step, with nobody to clean up, loses and doubles nothing. */
export function crashTests(binding: ContractBinding): void {
  for (const [index, step] of steps.entries()) {
    test(`kill -9 at ${step}: rows and offset agree, and the next worker ends exact`, async (t) => {
      const stage = await Stage.open(t, binding);
      const { database } = stage;
      const { audit } = database;
      await audit?.();
      const folder = await mkdtemp(join(tmpdir(), 'afterwrite-crash-'));
      t.after(() => rm(folder, { recursive: true }));
      const { versionColumn } = stage.guarded(persons);
      const yaml = sinkYaml({ database, sink: { versionColumn, batch: { rows: 10, linger: '0ms' } } });
      const file = join(folder, 'afterwrite.yaml');
      await writeFile(file, yaml);
      const config = parsed(yaml);
      const log = await EventLog.create(t, config, 'person');
      const keys = Array.from({ length: 50 }, (_, number) => `k${String(number).padStart(2, '0')}`);
      await log.commit(...keys.map((key) => ({ key, values: [`v of ${key}`, null] })));

      const env = { ...process.env, AFTERWRITE_FAULT: `${step}:3`, LOG_LEVEL: 'silent' };
      const child = spawn(process.execPath, [program, file], { env, stdio: ['ignore', 'inherit', 'inherit'] });
      t.after(() => {
        child.kill('SIGKILL');
      });
      assert.deepEqual(await once(child, 'exit'), [null, 'SIGKILL']);
      // Committed together at the end, or each where its statement ended.
      const rows = index >= (stage.transactional ? 4 : 1) ? 30 : 20;
      const next = index >= (stage.transactional ? 4 : 2) ? 30 : 20;
      // A server may notice a moment later that its client is gone.
      const expected = inOrder(keys.slice(0, rows).map((key) => [key, `v of ${key}`, null]));
      await untilEqual('rows after the crash', expected, () => stage.rows(persons));
      assert.deepEqual(await offsetsOf(database), [[log.topic, '0', String(next)]]);

      await createWorker(t, config).worker.start();
      await untilWritten(database, log);
      assert.deepEqual(await stage.rows(persons), inOrder(keys.map((key) => [key, `v of ${key}`, null])));
      if (audit === undefined) return;
      assert.equal((await versionsOf(database)).length, keys.length);
      assert.deepEqual(await auditFindings(database), []);
    });
  }
}
