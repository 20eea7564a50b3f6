import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AfterwriteError, type ErrorCode } from '../../../ops/errors/index.ts';
import { SenderLife } from '../../../source-connector/send/sender-state.ts';

function isCode(code: ErrorCode) {
  return (error: unknown) => error instanceof AfterwriteError && error.code === code;
}

test('claims once, then commits again and again', () => {
  const life = new SenderLife();
  for (const state of ['claiming', 'ready', 'committing', 'ready', 'committing'] as const) life.enter(state);
  assert.equal(life.state, 'committing');
});

test('does not commit before the claim, nor twice at once', () => {
  const life = new SenderLife();
  assert.throws(() => {
    life.enter('committing');
  }, isCode('INTERNAL'));
  for (const state of ['claiming', 'ready', 'committing'] as const) life.enter(state);
  assert.throws(() => {
    life.enter('committing');
  }, isCode('INTERNAL'));
});

test('does nothing more once it is dead, and says why it died', () => {
  const life = new SenderLife();
  life.enter('claiming');
  const reason = new Error('the reason');
  life.die(reason);
  life.die(new Error('a later one'));
  for (const state of ['claiming', 'ready', 'committing'] as const) {
    assert.throws(
      () => {
        life.enter(state);
      },
      (error) => isCode('KAFKA_TRANSACTION')(error) && error instanceof Error && error.cause === reason,
    );
    assert.throws(() => {
      life.mustBe(state);
    }, isCode('KAFKA_TRANSACTION'));
  }
});

test('stays closed when what it was doing ends badly afterwards', () => {
  const life = new SenderLife();
  for (const state of ['claiming', 'ready', 'committing', 'closed'] as const) life.enter(state);
  life.die(new Error('late'));
  assert.equal(life.state, 'closed');
  assert.throws(() => {
    life.enter('ready');
  }, isCode('KAFKA_TRANSACTION'));
});
