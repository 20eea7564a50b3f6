import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePort } from '../../services/index.ts';
import { deleteTopics, kafkaAt } from '../support/kafka.ts';
import { shared } from '../support/servers.ts';
import { auditTopic } from '../support/topic-audit.ts';
import { readTopic } from '../support/topic-history.ts';
import { topicsOf, Trial } from './trial.ts';

test('a second source of one pipeline stands by and says so, and goes on when the first one ends; nothing is lost or doubled', async (t) => {
  const trial = await Trial.open(t);
  const { source, sink } = trial;
  const file = join(trial.folder, 'second.yaml');
  const port = await freePort();
  await trial.configure({ source: { state: join(trial.folder, 'second-state'), http: { port } } }, file);
  const second = trial.connector('second-source', ['source'], port, file);
  source.start();
  sink.start();
  const persons = await trial.writePersons(5);
  await trial.untilPersons(persons);

  second.start();
  await second.ready();
  assert.match((await second.parts('/readyz'))['source']?.reason ?? '', /^standby: other workers have all shards$/);
  persons.push(...(await trial.writePersons(3, persons.length + 1)));
  await trial.untilPersons(persons);
  await source.stop('SIGINT');
  persons.push(...(await trial.writePersons(3, persons.length + 1)));
  await trial.untilPersons(persons);
  await Promise.all([second.stop('SIGINT'), sink.stop('SIGINT')]);
  const topic = `${trial.pipeline}.person`;
  const { events } = auditTopic(topic, await readTopic(shared('kafka'), shared('registry'), topic));
  assert.equal(events, persons.length, 'each row was published once');
});

test('an address or a state folder that another process has is named; a state of another pipeline is left alone', async (t) => {
  const trial = await Trial.open(t);
  const { source, sink } = trial;
  source.start();
  sink.start();
  const persons = await trial.writePersons(5);
  await trial.untilPersons(persons);
  const twin = trial.connector('twin', ['source'], trial.ports.source);
  const address = new RegExp(
    `^HTTP_UNAVAILABLE: .*\\(host 127\\.0\\.0\\.1, port ${trial.ports.source}\\)\\. Give http\\.port another .*\\nThe reason: .*EADDRINUSE`,
    'm',
  );
  assert.match(await trial.refusal(twin), address);

  const file = join(trial.folder, 'other.yaml');
  const port = await freePort();
  const pipeline = `${trial.pipeline}-other`;
  t.after(() => deleteTopics(kafkaAt(), topicsOf(pipeline)));
  await trial.configure({ pipeline, source: { http: { port } } }, file);
  const other = trial.connector('other-pipeline', ['source'], port, file);
  other.start();
  await trial.untilTrouble(
    port,
    '/readyz',
    new RegExp(`STATE_LOCKED: .*${trial.folder}/state.*give each process its own folder`),
  );
  persons.push(...(await trial.writePersons(5, 6)));
  await trial.untilPersons(persons);
  await source.stop('SIGINT');
  assert.deepEqual(await other.ended(90_000), { code: 1, signal: null }, other.tail());
  assert.match(other.printed(), /^STATE_FOREIGN: .*move the state folder away first/m);
  source.start();
  persons.push(...(await trial.writePersons(5, 11)));
  await trial.untilPersons(persons);
  await Promise.all([source.stop('SIGINT'), sink.stop('SIGINT')]);
});
