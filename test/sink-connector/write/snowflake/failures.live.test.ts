import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { binding, isEmulated, SnowflakeDatabase } from '../../../contract/bindings/snowflake.ts';
import { deleted, partition, persons, Stage, written, type Log } from '../../../contract/suite/stage.ts';
import { uniqueName } from '../../../support/names.ts';
import { shared } from '../../../support/servers.ts';
import { until } from '../../../support/until.ts';
import { httpError, refusal, startAnsweringRelay, type Answer, type AnsweringRelay } from './relay.ts';

/** What Snowflake answers and the emulator does not: a relay before the emulator answers it in its place. */
const emulated = {
  skip: isEmulated(shared('snowflake')) ? false : 'it is about the emulator and what stands before it',
};
const queries = '/queries/v1/query-request';
const logins = '/session/v1/login-request';

interface Relayed {
  readonly relay: AnsweringRelay;
  readonly stage: Stage;
  readonly log: Log;
}

async function openRelayed(t: TestContext): Promise<Relayed> {
  const relay = await startAnsweringRelay(t, shared('snowflake'));
  const database = await SnowflakeDatabase.open(t, shared('snowflake'));
  const stage = await Stage.open(t, binding, database, { url: relay.url });
  const log = await stage.own(persons);
  await log.write(written('1', 'before', 1), written('2', 'before', 2));
  return { relay, stage, log };
}

/** Writes a batch over these answers, which must end exact. @returns what was waited for */
async function writeOver({ relay, stage, log }: Relayed, path: string, text: string, ...answers: Answer[]) {
  relay.inPlaceOf(path, text, ...answers);
  const before = relay.given();
  await log.write(written('1', 'after', 2), deleted('2'), written('3', null, 3));
  assert.equal(relay.given() - before, answers.length);
  assert.deepEqual(await stage.rows(persons), [
    ['1', 'after', '2'],
    ['3', null, '3'],
  ]);
  assert.deepEqual((await stage.offsets())[0]?.slice(1), ['shop.person', '0', 'c1', '5', '0', '1']);
  return stage.waits.map(({ code, message }) => `${code} ${message}`);
}

test('answers 503 and 429 to a statement are asked again by the driver', emulated, async (t) => {
  const waits = await writeOver(await openRelayed(t), queries, 'MERGE', httpError(503), httpError(429));
  assert.deepEqual(waits, []);
});

test(
  'a session token that has expired (390112) is renewed by the driver, in the middle of a batch',
  emulated,
  async (t) => {
    const expired = refusal('390112', 'Your session has expired. Please login again.');
    assert.deepEqual(await writeOver(await openRelayed(t), queries, 'UPDATE', expired), []);
  },
);

test(
  'a session that is gone, or whose login has expired, is opened anew, and the batch is written again',
  emulated,
  async (t) => {
    const gone = refusal('390111', 'Session no longer exists. New login required to access the service.');
    // What comes without an SQLSTATE is asked once more by the driver.
    const expired = refusal('390114', 'Authentication token has expired. The user must authenticate again.');
    for (const answers of [[gone], [expired, expired]]) {
      const waits = await writeOver(await openRelayed(t), queries, 'UPDATE', ...answers);
      assert.equal(waits.length, 1, `${waits.length} waits: ${waits.join()}`);
      assert.match(waits[0] ?? '', /^DATABASE_DOWN/);
    }
  },
);

test('a suspended warehouse, an exhausted monitor and a lock are waited for, however often', emulated, async (t) => {
  const waits = await writeOver(
    await openRelayed(t),
    queries,
    'MERGE',
    refusal('000606', 'No active warehouse selected in the current session.', '57P03'),
    refusal('090073', "Warehouse 'XS' cannot be resumed because resource monitor 'M' has exceeded its quota.", '22000'),
    refusal(
      '000625',
      "Statement '01' has locked table 'PERSONS' in transaction 17 and this lock has not yet been released.",
      '57014',
    ),
  );
  assert.equal(waits.length, 3);
  for (const wait of waits) assert.match(wait, /^DATABASE_DOWN/);
});

test('a login that is answered 503, 429 or not at all is tried again with the secrets of then', emulated, async (t) => {
  const relayed = await openRelayed(t);
  const { relay, stage } = relayed;
  relay.inPlaceOf(logins, '', httpError(503), httpError(429));
  const gone = refusal('390111', 'Session no longer exists.');
  relay.inPlaceOf(queries, 'COMMIT', gone);
  await relayed.log.write(written('1', 'after', 2));
  assert.ok(stage.waits.length >= 3 && stage.waits.every(({ code }) => code === 'DATABASE_DOWN'));
  assert.deepEqual(await stage.rows(persons), [
    ['1', 'after', '2'],
    ['2', 'before', '2'],
  ]);
});

test(
  'rule 14: a transaction that the server has ended writes neither rows nor offset any more',
  emulated,
  async (t) => {
    const { stage, log } = await openRelayed(t);
    const session = await stage.dialect.connect();
    t.after(() => session.close());
    const { changes, move } = log.batch(written('1', 'lost', 7));
    await session.begin();
    await session.apply(persons, changes);
    // Somebody waits for the table; the emulator ends what is idle for three seconds, Snowflake what is for five minutes.
    await stage.database.run(`UPDATE persons SET age = 8 WHERE person_id = '2'`);
    await session.apply(persons, changes);
    assert.equal(await session.moveOffset(move), 0);
    await session.commit();
    assert.deepEqual(await stage.rows(persons), [
      ['1', 'before', '1'],
      ['2', 'before', '8'],
    ]);
    assert.equal((await session.readOffset(partition))?.nextOffset, log.next);
  },
);

test(
  'keys are not enforced: an offset row that stands twice is mended by a claim, and doubled rows are refused',
  emulated,
  async (t) => {
    const { stage, log } = await openRelayed(t);
    await stage.database.run('INSERT INTO afterwrite_offsets_shop_person SELECT * FROM afterwrite_offsets_shop_person');
    assert.equal((await stage.writer.write(log.batch(written('1', 'x', 1)), stage.retry)).kind, 'missed');
    const claimed = await stage.claim();
    assert.deepEqual([claimed.nextOffset, claimed.owner], [log.next, 2n]);
    assert.equal((await stage.offsets()).length, 1);
    await stage.database.run(`INSERT INTO persons SELECT * FROM persons WHERE person_id = '1'`);
    const other = await Stage.open(t, binding, stage.database);
    await assert.rejects(other.prepare([persons]), {
      code: 'TABLE_UNFIT',
      message: /has 1 keys of which it holds several rows/,
    });
  },
);

test(
  'a key pair signs in, its passphrase opens it, and a rotated key takes effect at the next session',
  emulated,
  async (t) => {
    const database = await SnowflakeDatabase.open(t, shared('snowflake'));
    const folder = await mkdtemp(join(tmpdir(), 'afterwrite-keys-'));
    t.after(() => rm(folder, { recursive: true }));
    const [file, variable] = [join(folder, 'key.p8'), uniqueName('PASS').toUpperCase()];
    const user = uniqueName('KEYED').toUpperCase();
    const rotate = async (passphrase: string): Promise<string> => {
      const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
      const pem = privateKey.export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase });
      await writeFile(file, pem);
      process.env[variable] = passphrase;
      return publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
    };
    await database.run(`CREATE USER ${user} RSA_PUBLIC_KEY = '${await rotate('first')}'`);
    t.after(() => database.run(`DROP USER ${user}`));
    const secrets = {
      privateKey: `\${file:${file}}`,
      privateKeyPassphrase: `\${env:${variable}}`,
      password: undefined,
    };
    const stage = await Stage.open(t, binding, database, { user, ...secrets });
    const log = await stage.own(persons);
    await log.write(written('1', 'first', 1));
    const next = await rotate('second');
    await database.run(`ALTER USER ${user} END SESSIONS`);
    const writing = log.write(written('1', 'second', 2));
    await until('a refused login', () => stage.waits.some(({ message }) => message.includes('JWT')));
    await database.run(`ALTER USER ${user} SET RSA_PUBLIC_KEY = '${next}'`);
    await writing;
    assert.deepEqual(await stage.rows(persons), [['1', 'second', '2']]);
    const told = stage.waits.map(({ message }) => message).join('\n');
    assert.doesNotMatch(told, /PRIVATE KEY|first|second/);
    process.env[variable] = 'wrong';
    const other = await Stage.open(t, binding, database, { user, ...secrets });
    await assert.rejects(other.prepare([persons]), { code: 'DATABASE_ACCESS' });
  },
);
