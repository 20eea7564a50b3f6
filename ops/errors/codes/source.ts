import type { CatalogueEntry } from '../entry.ts';

/** Of what the source reads, keeps and publishes. */
export const source = {
  STATE_LOST: {
    meaning: 'The state on disk is not the one that the position in Kafka belongs to, or does not reach it.',
    remedy:
      'Bring the right state folder back if it was moved; else let the state be rebuilt, which begins a new one and keeps the old one in a void-* folder.',
    recovery: 'stop',
  },
  STATE_FOREIGN: {
    meaning: 'The state folder holds what was committed to Kafka, but this Kafka holds no position of this pipeline.',
    remedy:
      'Check the Kafka address and the pipeline name. If the pipeline shall really begin anew, move the state folder away first.',
    recovery: 'stop',
  },
  STATE_LOCKED: {
    meaning: 'Another living process of this machine has the state folder open.',
    remedy:
      'Nothing, if that process is about to end: it is tried again until then. Else give each process its own folder.',
    recovery: 'retry',
  },
  STATE_FULL: {
    meaning: 'The state of this shard outgrows the memory that this process may use.',
    remedy:
      'Give the process more heap (NODE_OPTIONS=--max-old-space-size=<MiB>), or spread the keys over more shards.',
    recovery: 'stop',
  },
  STATE_IO: {
    meaning: 'The state folder cannot be read or written.',
    remedy:
      'Read the cause: free space on its disk, or give this user the right to write there; then it goes on by itself.',
    recovery: 'reload',
  },
  RDB_CORRUPT: {
    meaning: 'The bytes of an RDB snapshot or of a DUMP payload contradict their format or their checksum.',
    remedy: 'Look for damage on the way from the master (memory, disk, proxy); a restart asks for a new snapshot.',
    recovery: 'stop',
  },
  RDB_UNSUPPORTED: {
    meaning: 'An RDB snapshot or DUMP payload has a version, opcode or value type that this program does not know.',
    remedy: 'Upgrade afterwrite to a version that knows this server; nothing was committed past the last position.',
    recovery: 'stop',
  },
  STREAM_CORRUPT: {
    meaning: 'The bytes of the replication stream are not a well-formed command.',
    remedy:
      'Look for damage on the way from the master (proxy, TLS); a restart reads on from the last committed position.',
    recovery: 'stop',
  },
  UNKNOWN_COMMAND: {
    meaning: 'The stream holds a command that this program does not know, so it may have changed a hash.',
    remedy:
      'Upgrade afterwrite, or list the command under source.ignoreCommands when it changes no other keys than those it names: it is passed over then, and mapped keys among its arguments are read again.',
    recovery: 'stop',
  },
  COMMAND_UNSUPPORTED: {
    meaning: 'A known command stands in the stream in a form whose effect the stream alone does not tell.',
    remedy: 'Upgrade afterwrite to a version that knows this form of the command; nothing was committed past it.',
    recovery: 'stop',
  },
  SNAPSHOT_CORRUPT: {
    meaning: 'The snapshot that the Redis server sent does not end as it announced.',
    remedy: 'The link is opened again by itself; if it happens again, look for a proxy that cuts the connection.',
    recovery: 'reload',
  },
  VANISHED_BREAKER: {
    meaning: 'A full resync found so many published rows without a hash that deleting them needs a person to agree.',
    remedy: 'Look at the Redis server; start the source once with --confirm-vanished and the count to agree.',
    recovery: 'stop',
  },
  BAD_VALUE: {
    meaning: 'A hash holds a value that its column cannot take, and the mapping says onBadValue: stop.',
    remedy:
      'Mend the hash in Redis and start the source once with --resync, since the stream still holds the value; or choose onBadValue: dead-letter or null.',
    recovery: 'stop',
  },
  POSITION_UNREADABLE: {
    meaning: 'The committed position of the shard cannot be read.',
    remedy: 'Run the version of afterwrite that wrote it, or a newer one.',
    recovery: 'stop',
  },
  SOURCE_LIFE_ENDED: {
    meaning: 'The shard dropped what it had in memory and begins again from its committed position.',
    remedy: 'Nothing has to be done; if it goes on for long, look at the reason.',
    recovery: 'retry',
  },
} as const satisfies Record<string, CatalogueEntry>;
