import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Trial } from './trial.ts';

test('an emptied Redis behind a full table stops the source until a person confirms the count (rule 4)', async (t) => {
  const trial = await Trial.open(t);
  const { redis, source, sink } = trial;
  const confirming = (rows: number) =>
    trial.connector(`source-confirming-${rows}`, ['source', '--confirm-vanished', String(rows)], trial.ports.source);
  const persons = await trial.writePersons(12);
  source.start();
  sink.start();
  await trial.untilPersons(persons);

  // It keeps nothing on disk: killed and started again, it is empty.
  await redis.server.kill();
  await redis.server.start();
  assert.deepEqual(await source.ended(), { code: 1, signal: null }, source.tail());
  const twelve =
    /^VANISHED_BREAKER: the server has no captured hash at all, but 12 rows were published; 12 of them .*--confirm-vanished 12/m;
  assert.match(source.printed(), twelve);
  assert.match(await trial.refusal(source), twelve);
  assert.match(await trial.refusal(confirming(11)), twelve);
  await trial.untilPersons(persons);

  // Some hashes come back, but too few to be believed.
  const few = await trial.writePersons(2);
  assert.match(await trial.refusal(source), /^VANISHED_BREAKER: 10 of 12 published rows have no hash any more/m);
  await trial.untilPersons(persons);

  const last = confirming(10);
  last.start();
  await trial.untilPersons(few);
  const further = await trial.writePersons(1, 13);
  await trial.untilPersons([...few, ...further]);
  await Promise.all([last.stop('SIGINT'), sink.stop('SIGINT')]);
});
