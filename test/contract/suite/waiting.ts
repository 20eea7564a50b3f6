import assert from 'node:assert/strict';
import { test } from 'node:test';
import { uniqueName } from '../../support/names.ts';
import { until } from '../../support/until.ts';
import type { ContractBinding } from '../binding.ts';
import { persons, Stage, written } from './stage.ts';

/** What ends by itself is waited for, and a password is read again at each connection. */
export function waitingTests(binding: ContractBinding): void {
  test('a transaction that another one blocks is tried again, for as long as it takes', async (t) => {
    const stage = await Stage.open(t, binding);
    const { lockRow } = stage.database;
    if (lockRow === undefined) {
      t.skip('it has no locks on rows');
      return;
    }
    const log = await stage.own(persons);
    await log.write(written('1', 'x', 1));
    const lock = await lockRow('persons', 'person_id', '1');
    const blocked = log.write(written('1', 'y', 2));
    await lock.waitedFor();
    await lock.endWaiting();
    await until('another attempt', () => stage.waits.length > 0);
    await lock.release();
    await blocked;
    assert.equal(stage.waits[0]?.code, 'DATABASE_DOWN');
    assert.deepEqual(await stage.rows(persons), [['1', 'y', '2']]);
  });

  test('a transaction that the database ends because of a deadlock is tried again', async (t) => {
    const stage = await Stage.open(t, binding);
    const { lockRow } = stage.database;
    if (lockRow === undefined) {
      t.skip('it has no locks on rows');
      return;
    }
    const log = await stage.own(persons);
    await log.write(written('1', 'x', 1), written('2', 'x', 1));
    const lock = await lockRow('persons', 'person_id', '2');
    const blocked = log.write(written('1', 'y', 2), written('2', 'y', 2));
    await lock.waitedFor();
    await lock.alsoLock('1');
    await until('another attempt', () => stage.waits.length > 0);
    await lock.release();
    await blocked;
    assert.match(stage.waits[0]?.message ?? '', /deadlock/i);
    assert.deepEqual(await stage.rows(persons), [
      ['1', 'y', '2'],
      ['2', 'y', '2'],
    ]);
  });

  test('a rotated password takes effect at the next connection, and breaks none that lives', async (t) => {
    const database = await binding.open(t);
    if (database.createLogin === undefined) {
      t.skip('it has no passwords');
      return;
    }
    const variable = uniqueName('SECRET').toUpperCase();
    const first = `first p@ss:word/%?#'"`;
    process.env[variable] = first;
    const login = await database.createLogin(first, variable);
    const stage = await Stage.open(t, binding, database, toldByCommand(login.sinkOptions, variable));
    const log = await stage.own(persons);
    await log.write(written('1', 'first', 1));
    await login.changePassword('second');
    await log.write(written('1', 'on the connection of before', 2));
    assert.deepEqual(stage.waits, []);
    await login.endConnections();
    const next = log.write(written('1', 'second', 3));
    await until('a refused login', () => stage.waits.some(({ message }) => message.includes(login.user)));
    process.env[variable] = 'second';
    await next;
    assert.deepEqual(await stage.rows(persons), [['1', 'second', '3']]);
    const told = stage.waits.map(({ message }) => message).join('\n');
    assert.ok(
      stage.waits.every(({ code }) => code === 'DATABASE_DOWN'),
      told,
    );
    assert.ok(!told.includes('p@ss') && !told.includes(encodeURIComponent(first)), 'no message shows the password');
  });

  test('a wrong password is an error at the start that does not show it', async (t) => {
    const database = await binding.open(t);
    if (database.createLogin === undefined) {
      t.skip('it has no passwords');
      return;
    }
    const variable = uniqueName('SECRET').toUpperCase();
    process.env[variable] = 'not-this-one';
    const login = await database.createLogin('right', variable);
    const stage = await Stage.open(t, binding, database, login.sinkOptions);
    await assert.rejects(stage.prepare([persons]), (error) => {
      assert.ok(error instanceof Error);
      assert.match(error.message, /^DATABASE_ACCESS: /);
      assert.ok(error.message.includes(login.user), error.message);
      assert.ok(!error.message.includes('not-this-one'));
      return true;
    });
  });
}

/** The same options, with a program that tells the variable in the place of a reference to it. */
function toldByCommand(
  options: Readonly<Record<string, unknown>>,
  variable: string,
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => [
      name,
      typeof value === 'string' ? value.replace(`\${env:${variable}}`, `\${command:printenv ${variable}}`) : value,
    ]),
  );
}
