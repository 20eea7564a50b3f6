import { describe } from 'node:test';
import type { ContractBinding } from '../binding.ts';
import { acknowledgementTests } from './acknowledgements.ts';
import { crashTests } from './crash.ts';
import { evolutionTests } from './evolution.ts';
import { guardTests } from './guard.ts';
import { orphanTests } from './orphans.ts';
import { outageTests } from './outage.ts';
import { ownershipTests } from './ownership.ts';
import { poisonTests } from './poison.ts';
import { replayTests } from './replay.ts';
import { rowTests } from './rows.ts';
import { tableTests } from './tables.ts';
import { typeTests } from './types.ts';
import { waitingTests } from './waiting.ts';

/**
 * The same for what keeps every event and no rows; its rows are the last entry of each key. Left out are the tests of what it
 * has not: tables whose columns could not fit, schemas of which rows are left, a guard of versions and replays under it (a
 * replay adds the events once more), rows that it does not take, and rows that the topic lacks. Its own tests kill it, and
 * show that each event is kept once and in its order, which the last entries do not tell.
 */
export function registerAppendContract(binding: ContractBinding): void {
  describe(`${binding.kind}: the last entries`, () => {
    rowTests(binding);
  });
  describe(`${binding.kind}: owners and offsets (rule 14)`, () => {
    ownershipTests(binding);
  });
  describe(`${binding.kind}: lost connections, logins`, () => {
    waitingTests(binding);
  });
  describe(`${binding.kind}: values of every type`, () => {
    typeTests(binding);
  });
  describe(`${binding.kind}: acknowledgements (rule 22)`, () => {
    acknowledgementTests(binding);
  });
  describe(`${binding.kind}: outages`, () => {
    outageTests(binding);
  });
}

/** What a database must do to be written to exactly once: the same for each, told apart by what it declares. */
export function registerContract(binding: ContractBinding): void {
  describe(`${binding.kind}: rows`, () => {
    rowTests(binding);
  });
  describe(`${binding.kind}: tables`, () => {
    tableTests(binding);
  });
  describe(`${binding.kind}: owners and offsets (rule 14)`, () => {
    ownershipTests(binding);
  });
  describe(`${binding.kind}: versions (rule 18)`, () => {
    guardTests(binding);
  });
  describe(`${binding.kind}: rows that it does not take (rule 19)`, () => {
    poisonTests(binding);
  });
  describe(`${binding.kind}: locks, lost connections, logins`, () => {
    waitingTests(binding);
  });
  describe(`${binding.kind}: values of every type`, () => {
    typeTests(binding);
  });
  describe(`${binding.kind}: a mapping that changes (rule 8)`, () => {
    evolutionTests(binding);
  });
  describe(`${binding.kind}: replays`, () => {
    replayTests(binding);
  });
  describe(`${binding.kind}: rows that the topic lacks (rule 17)`, () => {
    orphanTests(binding);
  });
  describe(`${binding.kind}: acknowledgements (rule 22)`, () => {
    acknowledgementTests(binding);
  });
  describe(`${binding.kind}: kill -9`, () => {
    crashTests(binding);
  });
  describe(`${binding.kind}: outages`, () => {
    outageTests(binding);
  });
}
