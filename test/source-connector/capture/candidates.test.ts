import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bestOf, forPreferredMs, inAllMs, type Candidate } from '../../../source-connector/capture/candidates.ts';

const candidate = (kind: Candidate['kind'], goesOn: Candidate['goesOn'], unfit?: string): Candidate => ({
  endpoint: { host: `${kind}-${goesOn}`, port: 6379 },
  kind,
  goesOn,
  unfit,
  replid: '',
});
/** The host of the best one after so many ms, of those for which a replica is preferred. */
const best = (waitedMs: number, isFirst: boolean, ...candidates: readonly Candidate[]): string | undefined =>
  bestOf(candidates, 'replica', isFirst, waitedMs)?.endpoint.host;

test('a server of the preferred kind that goes on is taken at once, whatever else there is', () => {
  const all = [candidate('master', 'yes'), candidate('replica', 'no'), candidate('replica', 'yes')];
  assert.equal(best(0, false, ...all), 'replica-yes');
});

test('one of the other kind that goes on is taken after a while, before a full resync of the preferred kind', () => {
  const all = [candidate('master', 'yes'), candidate('replica', 'no')];
  assert.equal(best(forPreferredMs - 1, false, ...all), undefined);
  assert.equal(best(forPreferredMs, false, ...all), 'master-yes');
});

test('a server that is behind is waited for, and no longer than in all', () => {
  const all = [candidate('master', 'no'), candidate('replica', 'behind')];
  assert.equal(best(inAllMs - 1, false, ...all), undefined);
  assert.equal(best(inAllMs, false, ...all), 'replica-behind');
});

test('where no server goes on a full resync is made, best at one of the preferred kind', () => {
  const all = [candidate('master', 'no'), candidate('replica', 'no')];
  assert.equal(best(forPreferredMs - 1, false, ...all), undefined);
  assert.equal(best(forPreferredMs, false, ...all), 'replica-no');
});

test('the first link needs a full resync anyway: the preferred kind at once, the other after a while', () => {
  assert.equal(best(0, true, candidate('master', 'no'), candidate('replica', 'no')), 'replica-no');
  const unfit = candidate('replica', 'no', 'is not in touch with its master');
  assert.equal(best(0, true, candidate('master', 'no'), unfit), undefined);
  assert.equal(best(forPreferredMs, true, candidate('master', 'no'), unfit), 'master-no');
});

test('a server that is unfit is never taken', () => {
  assert.equal(best(inAllMs, false, candidate('master', 'yes', 'is a replica now')), undefined);
  assert.equal(best(inAllMs, false), undefined);
});
