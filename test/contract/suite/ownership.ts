import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContractBinding } from '../binding.ts';
import { deleted, Log, partition, persons, Stage, start, written } from './stage.ts';

/** Who may write a partition, and where it goes on. */
export function ownershipTests(binding: ContractBinding): void {
  test('the write of an owner that was overtaken is refused, and moves nothing', async (t) => {
    const zombie = await Stage.open(t, binding);
    const heir = await Stage.open(t, binding, zombie.database);
    const before = await zombie.own(persons);
    await heir.prepare([persons]);
    const after = new Log(heir, persons, await heir.claim());
    assert.equal(after.owned.owner, before.owned.owner + 1n);
    // The heir has written nothing yet: only the owner tells the two apart.
    const early = await zombie.writer.write(before.batch(written('1', 'zombie', 1)), zombie.retry);
    assert.equal(early.kind, 'missed');
    if (zombie.transactional) assert.deepEqual(await zombie.rows(persons), []);
    const late = before.batch(written('1', 'zombie', 1));
    await after.write(written('1', 'new', 1));
    const outcome = await zombie.writer.write(late, zombie.retry);
    assert.deepEqual(outcome.kind === 'missed' && [outcome.stored?.owner, outcome.stored?.nextOffset], [2n, 1n]);
    assert.deepEqual(await zombie.rows(persons), [['1', 'new', '1']]);
    assert.deepEqual(await zombie.offsets(), [['warehouse', 'shop.person', '0', 'c1', '1', '0', '2']]);
  });

  test('a batch that is written twice changes nothing the second time, and is told what stands there', async (t) => {
    const stage = await Stage.open(t, binding);
    const log = await stage.own(persons);
    const batch = log.batch(written('1', 'once', 1), written('2', 'gone', 1));
    await stage.writer.write(batch, stage.retry);
    log.next = batch.move.to;
    await log.write(written('1', 'later', 2), deleted('2'));
    const again = await stage.writer.write(batch, stage.retry);
    assert.equal(again.kind === 'missed' && again.stored?.nextOffset, log.next);
    assert.deepEqual(await stage.rows(persons), [['1', 'later', '2']]);
  });

  test('each claim is a new owner, and keeps the offset', async (t) => {
    const stage = await Stage.open(t, binding);
    const log = await stage.own(persons);
    await log.write(written('1', 'x', 1));
    const next = await stage.writer.claim(partition, { clusterId: 'other', nextOffset: 77n }, stage.retry);
    assert.deepEqual([next.owner, next.nextOffset, next.clusterId, next.epoch], [2n, 1n, 'c1', 0n]);
    const both = await Promise.all([stage.claim(), stage.claim(), stage.claim()]);
    assert.deepEqual(both.map(({ owner }) => owner).toSorted(), [3n, 4n, 5n]);
  });

  test('an idle partition is noted as written up to its end, by its owner alone', async (t) => {
    const stage = await Stage.open(t, binding);
    const log = await stage.own(persons);
    assert.equal(log.owned.caughtUpAt, null);
    const { move } = log.batch();
    const idle = { ...move, to: move.from };
    assert.equal(await stage.writer.markCaughtUp(idle), true);
    assert.equal(await stage.writer.markCaughtUp({ ...idle, owner: move.owner + 1n }), false);
    assert.equal(await stage.writer.markCaughtUp({ ...idle, to: move.to + 5n }), false);
    assert.ok((await stage.claim()).caughtUpAt instanceof Date);
  });

  test('partitions and sinks are apart from each other, and all those of a sink are read', async (t) => {
    const stage = await Stage.open(t, binding);
    const log = await stage.own(persons);
    await stage.writer.claim({ ...partition, partition: 1 }, { clusterId: 'c1', nextOffset: 50n }, stage.retry);
    await log.write(written('1', 'x', 1), written('2', 'y', 2));
    const session = await stage.dialect.connect();
    t.after(() => session.close());
    const other = await Stage.open(t, binding, stage.database, {}, 'archive');
    await other.prepare([persons]);
    assert.deepEqual([(await other.claim()).owner, (await other.claim()).owner], [1n, 2n]);
    const rows = (await session.readOffsets()).toSorted((a, b) => a.partition - b.partition);
    assert.deepEqual(
      rows.map(({ topic, partition: number, nextOffset, epoch, owner }) => [topic, number, nextOffset, epoch, owner]),
      [
        ['shop.person', 0, 2n, 0n, 1n],
        ['shop.person', 1, 50n, 0n, 1n],
      ],
    );
    assert.equal(await session.readOffset({ ...partition, partition: 2 }), undefined);
    assert.deepEqual((await session.readOffset(partition))?.nextOffset, 2n);
    await log.write(written('1', 'x', 3));
    assert.equal((await other.claim()).nextOffset, 0n);
  });

  test('a replay moves the offset under the next epoch, once, and the writer of before misses', async (t) => {
    const stage = await Stage.open(t, binding);
    const log = await stage.own(persons);
    await log.write(written('1', 'x', 1), written('2', 'y', 2));
    const session = await stage.dialect.connect();
    t.after(() => session.close());
    const { epoch } = log.owned;
    assert.equal(await session.reset({ ...partition, epoch, nextOffset: 0n }), 1);
    assert.equal(await session.reset({ ...partition, epoch, nextOffset: 1n }), 0);
    assert.equal(await session.reset({ ...partition, partition: 9, epoch, nextOffset: 1n }), 0);
    const outcome = await stage.writer.write(log.batch(written('1', 'late', 9)), stage.retry);
    const stored = outcome.kind === 'missed' ? outcome.stored : undefined;
    assert.deepEqual([stored?.nextOffset, stored?.epoch, stored?.owner], [0n, 1n, 1n]);
    // Back to where that writer stands: now the epoch alone tells the two apart.
    assert.equal(await session.reset({ ...partition, epoch: epoch + 1n, nextOffset: log.next }), 1);
    const still = log.batch(written('1', 'late', 9));
    assert.equal((await stage.writer.write(still, stage.retry)).kind, 'missed');
    assert.equal(await stage.writer.markCaughtUp({ ...still.move, to: log.next }), false);
    assert.equal((await session.readOffset(partition))?.nextOffset, log.next);
  });

  test('what an unprepared offset starts at is what the claim says', async (t) => {
    const stage = await Stage.open(t, binding);
    await stage.prepare([persons]);
    const huge = 9_007_199_254_740_993n;
    const claimed = await stage.writer.claim(partition, { ...start, nextOffset: huge }, stage.retry);
    assert.equal(claimed.nextOffset, huge);
    const log = new Log(stage, persons, claimed);
    await log.write(written('1', 'x', 1));
    assert.equal((await stage.claim()).nextOffset, huge + 1n);
  });

  test('rows that the database does not take are undone alone, and the transaction goes on', async (t) => {
    const stage = await Stage.open(t, binding);
    if (!stage.transactional || stage.appends) {
      t.skip(stage.appends ? 'it takes everything' : 'it has no transactions');
      return;
    }
    const refusedText = await stage.database.createChecked();
    assert.deepEqual(await stage.dialect.prepare([persons], { create: false, evolve: false }), []);
    const session = await stage.dialect.connect();
    t.after(() => session.close());
    await session.begin();
    await session.attempt(persons, { upserts: [written('1', '10', 1)], deletes: [] });
    const refused = session.attempt(persons, {
      upserts: [written('2', '20', 2), written('3', refusedText, 3)],
      deletes: [],
    });
    const error = await refused.catch((thrown: unknown) => thrown);
    assert.equal(stage.dialect.classify(error), 'data');
    await session.attempt(persons, { upserts: [written('4', '40', 4)], deletes: [] });
    await session.commit();
    assert.deepEqual(await stage.rows({ ...persons, valueColumns: [{ name: 'age', type: 'int' }] }), [
      ['1', '1'],
      ['4', '4'],
    ]);
  });
}
