import { replayTests } from './suite.ts';

// Too long for the tests that need no server.
replayTests('recordings of masters, cut, in small batches, crashing', ({ name }) => name !== 'whole');
