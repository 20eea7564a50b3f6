import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Evictions, type EvictionSample } from '../../../source-connector/capture/evictions.ts';

const key = (name: string): Buffer => Buffer.from(name);

function sample(offset: number, evicted: number, evicts: EvictionSample['evicts'] = 'any'): EvictionSample {
  return { offset, evicted, evicts };
}

/** Two samples with nothing between them: from here on names can be told to belong to evictions. */
function heard(): Evictions {
  const evictions = new Evictions();
  evictions.add(sample(90, 5));
  evictions.add(sample(100, 5));
  return evictions;
}

test('nothing is known before the first sample, and a server that does not evict is believed', () => {
  const evictions = new Evictions();
  assert.equal(evictions.possible, undefined);
  evictions.add(sample(100, 0, 'nothing'));
  assert.equal(evictions.possible, false);
  assert.equal(evictions.evicted(200, 210, 0, key('a'), false), 'no');
});

test('a removal between two samples of the same count is none, one outside of samples is not proven', () => {
  const evictions = heard();
  evictions.add(sample(200, 5));
  assert.equal(evictions.evicted(110, 120, 0, key('a'), false), 'no');
  assert.equal(evictions.evicted(210, 220, 0, key('a'), false), 'maybe');
  assert.equal(evictions.evicted(10, 20, 0, key('a'), false), 'maybe');
  assert.equal(evictions.reaches(200), true);
  assert.equal(evictions.reaches(201), false);
});

test('where keys without an expiry stay, none of those is evicted', () => {
  const evictions = new Evictions();
  evictions.add(sample(100, 0, 'volatile'));
  assert.equal(evictions.evicted(110, 120, 0, key('a'), false), 'no');
  assert.equal(evictions.evicted(110, 120, 0, key('a'), true), 'maybe');
});

test('names tell evictions and deletes of one time apart, each in its own database', () => {
  const evictions = heard();
  evictions.named(0, key('a'));
  evictions.named(1, key('b'));
  evictions.named(0, key('later'));
  assert.equal(evictions.add(sample(200, 7)), true);
  assert.equal(evictions.evicted(110, 120, 0, key('a'), false), 'yes');
  assert.equal(evictions.evicted(110, 120, 0, key('b'), false), 'no');
  assert.equal(evictions.evicted(110, 120, 1, key('b'), false), 'yes');
  assert.equal(evictions.evicted(110, 120, 0, key('later'), false), 'no');
  evictions.add(sample(300, 8));
  evictions.passed(200);
  assert.equal(evictions.evicted(210, 220, 0, key('later'), false), 'yes');
});

test('a second removal of a key at the time of its eviction is not told apart', () => {
  const evictions = heard();
  evictions.named(0, key('a'));
  evictions.add(sample(200, 6));
  assert.equal(evictions.evicted(110, 120, 0, key('a'), false), 'yes');
  assert.equal(evictions.evicted(130, 140, 0, key('a'), false), 'maybe');
  evictions.passed(150);
  assert.equal(evictions.evicted(150, 160, 0, key('a'), false), 'maybe');
});

test('evictions that were not named make removals of that time unproven, and names count again after a quiet time', () => {
  const evictions = heard();
  evictions.named(0, key('a'));
  assert.equal(evictions.add(sample(200, 7)), false);
  assert.equal(evictions.evicted(110, 120, 0, key('a'), false), 'maybe');
  assert.equal(evictions.evicted(110, 120, 0, key('b'), false), 'maybe');
  evictions.add(sample(300, 7));
  evictions.named(0, key('c'));
  assert.equal(evictions.add(sample(400, 8)), true);
  assert.equal(evictions.evicted(310, 320, 0, key('c'), false), 'yes');
});

test('names that were heard while keys were evicted count for none, as it is not known for which', () => {
  const evictions = new Evictions();
  evictions.add(sample(100, 5));
  evictions.named(0, key('a'));
  evictions.add(sample(200, 6));
  evictions.named(0, key('b'));
  evictions.add(sample(300, 7));
  assert.equal(evictions.evicted(210, 220, 0, key('b'), false), 'maybe');
});

test('a counter that was reset, and another stream, make everything before unknown', () => {
  const evictions = heard();
  evictions.add(sample(200, 1));
  assert.equal(evictions.evicted(110, 120, 0, key('a'), false), 'maybe');
  evictions.reset();
  assert.equal(evictions.possible, undefined);
});

test('a stream that goes back makes everything before unknown, though the counter rises', () => {
  const evictions = heard();
  evictions.add(sample(200, 5));
  evictions.add(sample(50, 6));
  assert.equal(evictions.evicted(110, 120, 0, key('a'), false), 'maybe');
});

test('names of another stream are not those of one that had a moment at the same offset', () => {
  const evictions = heard();
  evictions.named(0, key('a'));
  evictions.add(sample(200, 6));
  assert.equal(evictions.evicted(110, 120, 0, key('a'), false), 'yes');
  evictions.reset();
  evictions.add(sample(90, 5));
  evictions.add(sample(100, 5));
  evictions.named(0, key('b'));
  evictions.add(sample(200, 6));
  assert.equal(evictions.evicted(110, 120, 0, key('b'), false), 'yes');
  assert.equal(evictions.evicted(130, 140, 0, key('a'), false), 'no');
});

test('the same removal is the same eviction when it is asked about again', () => {
  const evictions = heard();
  evictions.named(0, key('a'));
  evictions.add(sample(200, 6));
  assert.equal(evictions.evicted(110, 120, 0, key('a'), false), 'yes');
  assert.equal(evictions.evicted(110, 120, 0, key('a'), false), 'yes');
});

test('an eviction right before the names that are known is none of theirs', () => {
  const evictions = heard();
  assert.equal(evictions.add(sample(200, 6)), false);
  evictions.add(sample(210, 6));
  evictions.named(0, key('b'));
  assert.equal(evictions.add(sample(300, 7)), true);
  assert.equal(evictions.evicted(110, 120, 0, key('a'), false), 'maybe');
  assert.equal(evictions.evicted(220, 230, 0, key('b'), false), 'yes');
});

test('a command that begins at the moment of a sample lies behind it', () => {
  const evictions = heard();
  evictions.add(sample(200, 6));
  evictions.add(sample(300, 6));
  assert.equal(evictions.evicted(200, 210, 0, key('a'), false), 'no');
  assert.equal(evictions.evicted(190, 200, 0, key('a'), false), 'maybe');
});

test('where keys without an expiry stay, evictions that were not named are none of theirs', () => {
  const evictions = new Evictions();
  evictions.add(sample(100, 0, 'volatile'));
  assert.equal(evictions.add(sample(200, 1, 'volatile')), false, 'some were not named');
  assert.equal(evictions.evicted(110, 120, 0, key('a'), false), 'no');
  assert.equal(evictions.evicted(110, 120, 0, key('a'), true), 'maybe');
});

test('more names than are kept are given up, and the removals are not proven', () => {
  const evictions = heard();
  const count = 100_001;
  for (let n = 0; n < count; n++) evictions.named(0, key(`k${n}`));
  assert.equal(evictions.add(sample(200, 5 + count)), false);
  assert.equal(evictions.evicted(110, 120, 0, key('k1'), false), 'maybe');
});
