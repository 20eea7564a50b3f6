import assert from 'node:assert/strict';
import { test } from 'node:test';
import { source } from '../../bench/source/index.ts';
import { assertMeasured } from './figures.ts';

test(
  'the benchmark of the source measures its decoders, what it costs Redis, and a takeover',
  { timeout: 600_000 },
  async (t) => {
    const say = (line: string): void => {
      t.diagnostic(line);
    };

    const figures = await source({ quick: true, only: [], say });

    assert.deepEqual(
      figures.map(({ name, unit, limitName }) => [name, unit, limitName]),
      [
        ['source: snapshot decoder, checksum included', 'MB/s', 'read and thrown away'],
        ['source: snapshot decoder, checksum included', 'hashes/s', 'read and thrown away'],
        ['source: stream decoder', 'commands/s', 'read and thrown away'],
        ['source: stream decoder', 'MB/s', 'read and thrown away'],
        ['source: change of a hash of 20,000 fields, CPU', 'µs', 'of one of ten fields'],
        ['source: change of a hash of 20,000 fields, log of the state', 'bytes', 'of one of ten fields'],
        ['source: heap of the state, of 20,000 hashes', 'bytes a key', 'what it holds'],
        ['source: heap of a full resync, of 20,000 hashes', 'bytes a key', 'of the state'],
        ['Redis under redis-benchmark, with a source', 'HSET/s', 'with a replica'],
        ['Redis under redis-benchmark, with a source', 'HSET/s', 'without either'],
        ['Redis under redis-benchmark, with a replica', 'HSET/s', 'without either'],
        ['CPU of Redis for one HSET, with a source', 'µs', 'with a replica'],
        ['CPU of Redis for one HSET, with a source', 'µs', 'without either'],
        ['CPU of Redis for one HSET, with a replica', 'µs', 'without either'],
        ['takeover of 2,000 rows: kill -9 to the next change in Kafka', 's', 'what is promised'],
        ['takeover of 2,000 rows: until the group notices', 's', 'all of it'],
        ['takeover of 2,000 rows: state rebuilt from the topics', 's', 'all of it'],
        ['takeover of 2,000 rows: snapshot compared with it', 's', 'all of it'],
      ],
    );
    assertMeasured(figures);
  },
);
