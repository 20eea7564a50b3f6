import { replayTests } from './suite.ts';

// They take too long for the tests that need no server.
replayTests('recordings of masters, where batches end often', ({ batchRecords }) => batchRecords < 10_000);
