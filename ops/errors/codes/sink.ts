import type { CatalogueEntry } from '../entry.ts';

/** Of the databases, and of what sinks write into them. */
export const sink = {
  DATABASE_DOWN: {
    meaning: 'The database cannot be reached, or cannot work now: an outage, a restart, a full disk, a lock.',
    remedy: 'Check the address of the sink and that the database runs; it is tried again until then.',
    recovery: 'retry',
  },
  DATABASE_ACCESS: {
    meaning: 'The database refuses the login: the user, the password, the database or TLS.',
    remedy: 'Mend the address, user and password of the sink, or what the database lets this user do.',
    recovery: 'stop',
  },
  DRIVER_MISSING: {
    meaning: 'The driver of a kind of sink, which is an optional package, is not installed.',
    remedy: 'Run the npm install that the message names where afterwrite is installed, then start the sink again.',
    recovery: 'stop',
  },
  TABLE_UNFIT: {
    meaning: 'Tables of a sink are missing, or are not such that every event can be written; all problems are listed.',
    remedy: 'Run the SQL that each problem ends with, or mend the mapping; then start the sink again.',
    recovery: 'stop',
  },
  PARENT_MISSING: {
    meaning:
      'A foreign key is not satisfied yet: the row that it names is not there, or rows still name the one to be deleted.',
    remedy:
      'It is tried again until the other row was written; look whether that one waits, stopped or became a dead letter, or drop the foreign key.',
    recovery: 'retry',
  },
  ROW_REJECTED: {
    meaning:
      'The database does not take a row, and rejectedRows says to stop; or so many rows that the table must be wrong.',
    remedy: 'Change the column or the constraint that the cause names, then start the sink again: it goes on there.',
    recovery: 'stop',
  },
  WRITE_REFUSED: {
    meaning: 'The database refuses a statement for a reason that neither waiting nor another row would mend.',
    remedy: 'Mend what the cause names (a right, a trigger, a type), then start the sink again: it goes on there.',
    recovery: 'stop',
  },
  ORPHANS_BREAKER: {
    meaning:
      'So many rows of a table stand in no record of the topic that removing them needs a person to agree; nothing was removed.',
    remedy:
      'Look at the topic and the table; start the sink once with --confirm-orphans and the count to agree, or set orphans.policy: keep.',
    recovery: 'stop',
  },
  ORPHANS_UNDECIDABLE: {
    meaning:
      'A table has to be compared with its topic, but which rows belong to which partition cannot be told; nothing was removed.',
    remedy:
      'Mend what the message names: keys of one schema, spread by Kafka’s own partitioner over as many partitions as there were from the start; or set orphans.policy: keep.',
    recovery: 'stop',
  },
  OFFSET_OF_OTHER_CLUSTER: {
    meaning: 'The offset that the database holds for a partition was counted in another Kafka cluster.',
    remedy:
      'Point kafka.brokers at that cluster; after a move, empty the table and delete its rows of afterwrite_offsets.',
    recovery: 'stop',
  },
  REPLAY_UNGUARDED: {
    meaning: 'A replay was asked for tables without a guard column: they would hold older rows until it has ended.',
    remedy:
      'Give the sink a versionColumn; or add --without-guard when no reader minds older rows, and deleted ones, for a while.',
    recovery: 'stop',
  },
  REPLAY_OUT_OF_RANGE: {
    meaning: 'A replay was asked from an offset that a partition does not hold, or that the sink has not come to yet.',
    remedy: 'Choose --from earliest, a time, or an offset within what the message names; nothing was moved.',
    recovery: 'stop',
  },
  REPLAY_RACE: {
    meaning: 'While a replay was being started, somebody else moved the offset of a partition.',
    remedy: 'Run the command again with --dry-run to see where the offsets stand now.',
    recovery: 'stop',
  },
} as const satisfies Record<string, CatalogueEntry>;
