import { replayTests } from './suite.ts';

replayTests('recordings of masters', ({ batchRecords }) => batchRecords >= 10_000);
