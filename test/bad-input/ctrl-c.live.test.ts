import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from 'pg';
import { startPrivate } from '../support/servers.ts';
import { until } from '../support/until.ts';
import { Trial } from './trial.ts';

test('Ctrl-C ends source, sink and run in order, also while Kafka or PostgreSQL is down, and nothing is lost', async (t) => {
  const [kafka, postgres] = await Promise.all([startPrivate(t, 'kafka'), startPrivate(t, 'postgres')]);
  const trial = await Trial.open(t, { kafka: kafka.address, postgres: postgres.address });
  const { source, sink } = trial;
  const both = trial.connector('run', ['run'], trial.ports.source);

  both.start();
  const persons = await trial.writePersons(5);
  await trial.untilPersons(persons);
  await both.stop('SIGINT');
  source.start();
  sink.start();
  await Promise.all([source.ready(), sink.ready()]);

  // Kafka goes in the middle: what was read and not committed is read again.
  await kafka.kill();
  persons.push(...(await trial.writePersons(5, 6)));
  const begun = /^afterwrite_source_commands_total\{shard="0"\} [1-9]/m;
  await until('the source has read them', async () => begun.test(await trial.metricsOf('source')));
  await Promise.all([source.stop('SIGINT'), sink.stop('SIGINT')]);
  // Kafka is away at the start.
  both.start();
  await trial.untilTrouble('source', '/readyz', /source: KAFKA_DOWN: .*Check kafka\.brokers/);
  await both.stop('SIGINT');
  await kafka.start();

  // PostgreSQL goes in the middle, and is away at the start.
  source.start();
  sink.start();
  await trial.untilPersons(persons);
  await postgres.kill();
  persons.push(...(await trial.writePersons(5, 11)));
  await trial.untilTrouble('sink', '/readyz', /DATABASE_DOWN: .*Check the address of the sink/);
  await sink.stop('SIGINT');
  sink.start();
  await trial.untilTrouble('sink', '/readyz', /DATABASE_DOWN/);
  await sink.stop('SIGINT');
  await postgres.start();
  sink.start();
  await trial.untilPersons(persons);
  await Promise.all([source.stop('SIGINT'), sink.stop('SIGINT')]);
});

test('a second Ctrl-C ends at once what the first one waits for, and nothing is lost', async (t) => {
  const trial = await Trial.open(t);
  const { source, sink, database } = trial;
  source.start();
  sink.start();
  const persons = await trial.writePersons(5);
  await trial.untilPersons(persons);
  const holder = new Client(database.url);
  await holder.connect();
  try {
    await holder.query(`BEGIN; LOCK TABLE ${database.schema}.persons`);
    persons.push(...(await trial.writePersons(5, 6)));
    const waiting = `SELECT FROM pg_locks WHERE relation = '$schema.persons'::regclass AND NOT granted`;
    await until('the sink waits for the table', async () => (await database.rows(waiting)).length > 0);
    sink.signal('SIGINT');
    await until('the first Ctrl-C is heard', () => sink.printed().includes('a second signal ends at once'));
    sink.signal('SIGINT');
    assert.deepEqual(await sink.ended(), { code: 130, signal: null }, sink.tail());
  } finally {
    // The lock goes with it; the table could not be dropped before.
    await holder.end();
  }
  sink.start();
  await trial.untilPersons(persons);
  await Promise.all([source.stop('SIGINT'), sink.stop('SIGINT')]);
});
