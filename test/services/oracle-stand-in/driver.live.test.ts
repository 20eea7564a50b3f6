import assert from 'node:assert/strict';
import { test } from 'node:test';
import oracledb, { type Connection } from 'oracledb';
import { serviceEngine, type RunningService } from '../../../services/index.ts';
import { startPrivate } from '../../support/servers.ts';

const user = 'SHOP';
const password = 'p w"x';
const merge =
  'MERGE INTO t USING (SELECT :1 AS id, :2 AS x, :3 AS v FROM dual) s ON (t.id = s.id) ' +
  'WHEN MATCHED THEN UPDATE SET t.x = s.x, t.v = s.v WHERE t.v < s.v ' +
  'WHEN NOT MATCHED THEN INSERT (id, x, v) VALUES (s.id, s.x, s.v)';

const nativeOnly = (await serviceEngine()) === 'docker' ? 'a real Oracle runs here' : false;

async function connect(server: RunningService, name: string, secret: string, service?: string): Promise<Connection> {
  const connectString = server.address.split('@')[1] ?? '';
  return await oracledb.getConnection({
    user: name,
    password: secret,
    connectString: service === undefined ? connectString : connectString.replace(/[^/]*$/, service),
  });
}

/** A user of its own, with a table that has a column of each type. */
async function openUser(server: RunningService): Promise<{ system: Connection; shop: Connection }> {
  const system = await connect(server, 'system', 'afterwrite');
  await system.execute(`CREATE USER ${user} IDENTIFIED BY "${password.replace('"', '""')}"`);
  await system.execute(`GRANT CREATE SESSION, CREATE TABLE, UNLIMITED TABLESPACE TO ${user}`);
  const shop = await connect(server, user, password);
  await shop.execute(
    'CREATE TABLE t (id NUMBER(19) PRIMARY KEY, x VARCHAR2(10), v NUMBER(19), d NUMBER, ts TIMESTAMP(6), ' +
      'tz TIMESTAMP(6) WITH TIME ZONE, dt DATE, r RAW(2000), bf BINARY_FLOAT, bd BINARY_DOUBLE, cl CLOB, bl BLOB)',
  );
  return { system, shop };
}

for (const protocol of ['19c', '23ai']) {
  const named = `the real driver and the stand-in (${protocol}): Oracle's wire protocol, SQL executed by H2 in Oracle mode`;
  test(named, { skip: nativeOnly }, async (t) => {
    const server = await startPrivate(t, 'oracle', { args: ['--protocol', protocol] });
    const { system, shop } = await openUser(server);

    await t.test('says of which age it is', () => {
      assert.match(shop.oracleServerVersionString, protocol === '19c' ? /^19\./ : /^23\./);
    });

    await t.test('refuses wrong passwords, unknown users and unknown services', async () => {
      await assert.rejects(connect(server, user, 'wrong'), /ORA-01017/);
      await assert.rejects(connect(server, 'nobody', password), /ORA-01017/);
      await assert.rejects(connect(server, user, password, 'NOWHERE'), /NJS-518/);
    });

    await t.test('gives back values of every type as they were bound', async () => {
      const time = new Date('2026-01-31T03:04:05.123Z');
      const text = 'é𝄞'.repeat(40_000);
      const bytes = Buffer.alloc(70_000, 7);
      await shop.execute(merge, [1, 'a', 10]);
      await shop.execute('UPDATE t SET d=:1, ts=:2, tz=:3, dt=:4, r=:5, bf=:6, bd=:7, cl=:8, bl=:9 WHERE id = 1', [
        { val: -12.5, type: oracledb.NUMBER },
        { val: time, type: oracledb.DB_TYPE_TIMESTAMP },
        { val: time, type: oracledb.DB_TYPE_TIMESTAMP_TZ },
        { val: time, type: oracledb.DB_TYPE_DATE },
        Buffer.from([0, 1, 255]),
        { val: 0.5, type: oracledb.DB_TYPE_BINARY_FLOAT },
        { val: 0.1, type: oracledb.DB_TYPE_BINARY_DOUBLE },
        { val: text, type: oracledb.DB_TYPE_CLOB },
        { val: bytes, type: oracledb.DB_TYPE_BLOB },
      ]);
      const { rows } = await shop.execute<unknown[]>('SELECT id, x, v, d, ts, tz, dt, r, bf, bd, cl, bl FROM t', [], {
        fetchInfo: { CL: { type: oracledb.STRING }, BL: { type: oracledb.BUFFER } },
      });
      const second = new Date('2026-01-31T03:04:05Z');
      assert.deepEqual(rows, [
        [1, 'a', 10, -12.5, time, time, second, Buffer.from([0, 1, 255]), 0.5, 0.1, text, bytes],
      ]);
    });

    await t.test('writes arrays of rows, and tells which were refused', async () => {
      const insert = 'INSERT INTO t (id, x) VALUES (:1, :2)';
      const many = [...Array.from({ length: 150 }, (_, index) => [1, `again ${index}`.slice(0, 10)]), [2, 'new']];
      const { batchErrors, rowsAffected } = await shop.executeMany(insert, many, { batchErrors: true });
      assert.equal(rowsAffected, 1);
      assert.deepEqual(
        batchErrors?.map(({ offset }) => offset),
        Array.from({ length: 150 }, (_, index) => index),
      );
      assert.match(batchErrors[149]?.message ?? '', /^ORA-00001: /);
      assert.equal((await shop.execute(merge, [2, 'older', null])).rowsAffected, 0);
    });

    await t.test('keeps what is committed, and only that, and lets no other session see more', async () => {
      await shop.commit();
      await shop.execute('SAVEPOINT here');
      await shop.execute(merge, [3, 'x', 1]);
      await shop.execute('ROLLBACK TO SAVEPOINT here');
      await shop.execute(merge, [4, 'x', 1]);
      const other = await connect(server, user, password);
      assert.deepEqual((await other.execute('SELECT id FROM t ORDER BY id')).rows, [[1], [2]]);
      await shop.rollback();
      await server.kill();
      await assert.rejects(shop.execute('SELECT 1 FROM dual'), /NJS-5/);
      await server.start();
      const again = await connect(server, user, password);
      assert.deepEqual((await again.execute('SELECT id FROM t ORDER BY id')).rows, [[1], [2]]);
      for (const [sql, number] of [
        ['SELECT * FROM nowhere', 942],
        ['SELECT nothing FROM t', 904],
        ["INSERT INTO t (id, x) VALUES (9, 'more than ten characters')", 12_899],
        ['INSERT INTO t (id) VALUES (NULL)', 1400],
        ["INSERT INTO t (id) VALUES ('x')", 1722],
        ['BEGIN NULL; END;', 900],
        ['DROP USER shop CASCADE', 1031],
      ] as const) {
        await assert.rejects(again.execute(sql), { errorNum: number }, sql);
      }
      await again.close();
    });

    await system.close().catch(() => undefined);
  });
}
