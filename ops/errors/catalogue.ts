/**
 * What to do when an error of this code meets a loop that could try again:
 * - `retry`: an outage; try again with growing, jittered waits until it ends;
 * - `reload`: drop everything in memory, read the durable position, and go on from there;
 * - `stop`: a person must act; the shard, partition or command stops and says so.
 */
export type Recovery = 'retry' | 'reload' | 'stop';

export interface CatalogueEntry {
  /** What the code means, in one sentence. */
  readonly meaning: string;
  /** What the operator does about it, in one sentence. */
  readonly remedy: string;
  readonly recovery: Recovery;
}

/**
 * Every error that this project raises on purpose. The code is stable: scripts and alerts may match it.
 * Sorted by room, in the order of the flow.
 */
export const catalogue = {
  CONFIG_INVALID: {
    meaning: 'The configuration file has problems; all of them are listed.',
    remedy: 'Mend each listed path; config/schema.json describes what is allowed.',
    recovery: 'stop',
  },
  CONFIG_UNREADABLE: {
    meaning: 'The configuration file is not there or may not be read.',
    remedy: 'Name the right file with -c, or let this user read it.',
    recovery: 'stop',
  },
  SECRET_UNRESOLVED: {
    meaning:
      'A reference to a secret (${env:NAME}, ${file:/path} or ${command:program parameters}) points at nothing that can be read or run.',
    remedy: 'Set the environment variable, create the file, or install the program that the reference names.',
    recovery: 'stop',
  },
  SECRET_COMMAND: {
    meaning: 'The command of a reference to a secret (${command:…}) ended with an error, was late, or said nothing.',
    remedy:
      'Run the command by hand, as the user and with the environment of this process; it is run again at each attempt until it tells the secret.',
    recovery: 'retry',
  },
  REDIS_UNREACHABLE: {
    meaning: 'No connection to the Redis server could be made, or it ended before it was of use.',
    remedy:
      'Check host and port of the source, the network between, and that the server runs; it is tried again until then.',
    recovery: 'retry',
  },
  REDIS_TLS: {
    meaning: 'The TLS handshake with the Redis server did not succeed.',
    remedy: 'Check source.tls: certificate authority, server name, client certificate, and that the port speaks TLS.',
    recovery: 'stop',
  },
  REDIS_AUTH: {
    meaning: 'The Redis server did not accept the user and password.',
    remedy: 'Check source.username and source.password against ACL LIST (or requirepass) of the server.',
    recovery: 'stop',
  },
  REDIS_LOGIN_LOST: {
    meaning:
      'A Redis server that was followed before refuses the password or the certificate now, or the secret is gone.',
    remedy:
      'Put the new secret where the configuration refers to; it is read again at each attempt, and it is tried again until one is taken.',
    recovery: 'retry',
  },
  REDIS_NO_PSYNC: {
    meaning: 'The Redis user, or the service as a whole, may not replicate.',
    remedy:
      'Grant it: ACL SETUSER <user> +psync +replconf +ping (no key patterns are needed). A managed service that refuses PSYNC to all users is followed by its keyspace notifications instead: source.mode auto or notifications, docs/notification-mode.md.',
    recovery: 'stop',
  },
  REDIS_NO_PERMISSION: {
    meaning: 'The Redis user may not run a command that the connector asks for on its control connection.',
    remedy: 'Grant the command that the message names with ACL SETUSER.',
    recovery: 'stop',
  },
  REDIS_NO_SENTINEL: {
    meaning: 'No Sentinel of source.sentinel tells which server is the master.',
    remedy:
      'Check the addresses and the name of source.sentinel, and that the Sentinels run; they are asked again until one knows.',
    recovery: 'retry',
  },
  REDIS_NO_SERVER: {
    meaning: 'None of the servers that hold the data can be followed now; each is named with its reason.',
    remedy: 'Wait for the end of a failover; otherwise mend what the message says. It is tried again until one can.',
    recovery: 'retry',
  },
  REDIS_LOADING: {
    meaning: 'The Redis server is up but cannot serve now: it loads its data, waits for its own master, or is busy.',
    remedy: 'Wait; it is tried again until the server is ready.',
    recovery: 'retry',
  },
  REDIS_REFUSED: {
    meaning: 'The Redis server answered with an error that has no rule of its own here.',
    remedy: 'Read the answer in the message; it is tried again until the server accepts.',
    recovery: 'retry',
  },
  REDIS_PROTOCOL: {
    meaning: 'What answered does not speak the Redis replication protocol.',
    remedy:
      'Check that host and port of the source name a Redis or Valkey server, and that source.tls is set if and only if the port speaks TLS.',
    recovery: 'stop',
  },
  REDIS_LINK_LOST: {
    meaning:
      'An established connection to the Redis server broke; a replication link is taken up again after the last position.',
    remedy:
      'Nothing, if it was once; if it recurs, look for its reason in the log of the Redis server (client-output-buffer-limit, repl-timeout, CLIENT KILL, a restart).',
    recovery: 'retry',
  },
  ACKNOWLEDGEMENTS_WAIT: {
    meaning:
      'A sink cannot tell Redis which commands with an id it has committed. Its rows are written as ever; the acknowledgements wait in afterwrite_acknowledgements.',
    remedy:
      'Check that the master of the source answers the sink, and that the user may run EVAL, EVALSHA, XADD, XRANGE, EXPIRE, SELECT and ROLE; it is tried again until then.',
    recovery: 'retry',
  },
  WAIT_IMPOSSIBLE: {
    meaning: 'GET /wait was asked for what this sink cannot know.',
    remedy: 'Ask for a key that a mapping of this sink reads; docs/acknowledgements.md says what else is needed.',
    recovery: 'stop',
  },
  NOTIFICATIONS_OFF: {
    meaning: 'The source follows keyspace notifications, and the Redis server does not send those that it needs.',
    remedy:
      'Set notify-keyspace-events to KA (CONFIG SET, or the settings page of a managed service); it is tried again until then.',
    recovery: 'retry',
  },
  MAPPING_INVALID: {
    meaning: 'A mapping contradicts itself, so no schema can be made of it.',
    remedy: 'Mend the mapping in the configuration file; `afterwrite check` lists all problems.',
    recovery: 'stop',
  },
  REGISTRY_DOWN: {
    meaning: 'The schema registry cannot be reached, or answers that it cannot work now.',
    remedy: 'It is tried again until it answers; start it, or mend registry.url.',
    recovery: 'retry',
  },
  REGISTRY_AUTH: {
    meaning: 'The schema registry refuses the user name or the password.',
    remedy: 'Mend registry.username and registry.password, or what the user may do there.',
    recovery: 'stop',
  },
  REGISTRY_REFUSED: {
    meaning: 'The schema registry refuses a request that this program makes of every registry.',
    remedy: 'Check that registry.url is the base of a Confluent-compatible API, with its path.',
    recovery: 'stop',
  },
  SCHEMA_INCOMPATIBLE: {
    meaning: 'The schema of a mapping is not compatible with the versions that its topic already has.',
    remedy: 'Undo the change of the mapping (fields may be added, not retyped), or give the mapping a new topic.',
    recovery: 'stop',
  },
  SCHEMA_UNKNOWN: {
    meaning: 'A record names a schema that the registry does not have.',
    remedy: 'Point registry.url at the registry that the topic was written with, or restore its schemas.',
    recovery: 'stop',
  },
  RECORD_UNREADABLE: {
    meaning: 'The bytes of a record are not what its schema says, or its schema is no schema of this program.',
    remedy: 'Find out who else writes the topic; the position names the record.',
    recovery: 'stop',
  },
  KAFKA_DOWN: {
    meaning: 'No Kafka broker answers, or the cluster cannot serve now: an outage, a restart, an election.',
    remedy:
      'Check kafka.brokers, that kafka.ssl and kafka.sasl are what that port speaks, and that the brokers run; it is tried again until then.',
    recovery: 'retry',
  },
  KAFKA_TLS: {
    meaning: 'The TLS handshake with a Kafka broker did not succeed.',
    remedy: 'Check kafka.ssl: certificate authority, server name, client certificate, and that the port speaks TLS.',
    recovery: 'stop',
  },
  KAFKA_AUTH: {
    meaning: 'Kafka did not accept the user and password, or the SASL mechanism.',
    remedy: 'Check mechanism, username and password of kafka.sasl, and that the port is a SASL listener.',
    recovery: 'stop',
  },
  KAFKA_FORBIDDEN: {
    meaning: 'The Kafka user may not do what was asked.',
    remedy:
      'Grant the missing ACL: the cause in the message names the kind of resource (topic, group, transactional id, cluster).',
    recovery: 'stop',
  },
  KAFKA_REFUSED: {
    meaning: 'Kafka refused a request for a reason that waiting does not mend.',
    remedy: "Read Kafka's reason in the message, and mend the setting that it names.",
    recovery: 'stop',
  },
  TOPIC_MISSING: {
    meaning: 'A topic, or a partition of it, does not exist.',
    remedy: 'Start the source, which creates the topics, or create it by hand; it is tried again until then.',
    recovery: 'retry',
  },
  TOPIC_MISCONFIGURED: {
    meaning: 'Topics exist but are not as the pipeline needs them, or could not be created; all problems are listed.',
    remedy:
      'Mend each listed setting with kafka-configs.sh, or the configuration; partitions cannot be changed afterwards.',
    recovery: 'stop',
  },
  OFFSET_OUT_OF_RANGE: {
    meaning:
      'A partition does not hold the offset that is to be read: retention removed it, or the topic was recreated.',
    remedy: 'Find out what happened to the topic; a lost topic is filled again by a full resync of the source.',
    recovery: 'stop',
  },
  TRANSACTION_OPEN: {
    meaning: 'A transaction of a producer stays open, and hides everything after it from readers of committed records.',
    remedy: 'Wait for its timeout; kafka-transactions.sh find-hanging and abort end one that never does.',
    recovery: 'retry',
  },
  RECORD_TOO_LARGE: {
    meaning: 'A record is larger than Kafka or the configuration allows.',
    remedy: 'Raise kafka.maxRecordBytes, and max.message.bytes of the topic with it.',
    recovery: 'stop',
  },
  PRODUCER_FENCED: {
    meaning: 'Another owner has claimed the transactional id since, or the transaction took longer than its timeout.',
    remedy: 'Nothing, if it was once; if it recurs, look for a second source with the same pipeline name and shard.',
    recovery: 'reload',
  },
  KAFKA_TRANSACTION: {
    meaning: 'A Kafka transaction did not end as asked; whether it was committed, only the committed position tells.',
    remedy: 'Nothing: the position is read again. If it recurs, the cause in the message says what Kafka objected to.',
    recovery: 'reload',
  },
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
  SERVICE_NOT_INSTALLED: {
    meaning: 'A server for the demo, the tests or the benchmarks is not on this machine, and could not be installed.',
    remedy: 'Install what the message names, or start a Docker engine that has Compose.',
    recovery: 'stop',
  },
  SERVICE_NOT_READY: {
    meaning: 'A server for the demo, the tests or the benchmarks was started, but ended or did not answer in time.',
    remedy: 'Read its log, whose last lines are part of the message.',
    recovery: 'stop',
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
  HTTP_UNAVAILABLE: {
    meaning: 'The address for metrics and health cannot be listened on, most often because another process does.',
    remedy: 'Give http.port another number (0 takes a free one), or http.host an address of this machine.',
    recovery: 'stop',
  },
  FILE_UNREADABLE: {
    meaning: 'A file that a command was given cannot be read.',
    remedy: 'Check the path and its permissions.',
    recovery: 'stop',
  },
  PYTHON_UNREADABLE: {
    meaning: 'A registration script is not the Python that can be read.',
    remedy: 'Check the line with python3 -m py_compile; nothing of the script was run.',
    recovery: 'stop',
  },
  SNAPSHOT_CORRUPT: {
    meaning: 'The snapshot that the Redis server sent does not end as it announced.',
    remedy: 'The link is opened again by itself; if it happens again, look for a proxy that cuts the connection.',
    recovery: 'reload',
  },
  CLUSTER_TOO_LARGE: {
    meaning: 'The Redis Cluster has had more masters than a pipeline can have shards; a number is never given twice.',
    remedy: 'Capture the cluster under a new pipeline name.',
    recovery: 'stop',
  },
  CLUSTER_CHANGED: {
    meaning: 'The pipeline captured one server before and now captures a Redis Cluster, or the other way round.',
    remedy: 'Give the pipeline another name: its topics are filled anew.',
    recovery: 'stop',
  },
  CLUSTER_SHARD_AWAY: {
    meaning: 'No node of the Redis Cluster serves this shard now: a failover is under way, or its master was removed.',
    remedy: 'Nothing, if its slots went to other shards or will come back; otherwise bring its nodes back.',
    recovery: 'retry',
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
  KEY_CHANGED: {
    meaning:
      'The keys of a topic (schema, pattern, database, partitions) are not what the position was committed under.',
    remedy: 'Set the key pattern, the database and kafka.topics.partitions back, or give the mapping a new topic.',
    recovery: 'stop',
  },
  MAPPING_OUTDATED: {
    meaning:
      'A mapping is older than the one that the position was committed under, or has its version and other content.',
    remedy: 'Start the newest configuration, or give this mapping a version above the one that runs.',
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
  INTERNAL: {
    meaning: 'The program met a state that it holds to be impossible.',
    remedy: 'Report it with the whole message; nothing was committed past the last position.',
    recovery: 'stop',
  },
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof catalogue;
