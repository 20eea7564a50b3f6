import { replayTests } from './suite.ts';

replayTests('recordings of masters, in one piece', ({ name }) => name === 'whole');
