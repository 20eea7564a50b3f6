import type { CatalogueEntry } from '../entry.ts';

/** Of the configuration file, and of mappings that are not what they were. */
export const configuration = {
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
  MAPPING_INVALID: {
    meaning: 'A mapping contradicts itself, so no schema can be made of it.',
    remedy: 'Mend the mapping in the configuration file; `afterwrite check` lists all problems.',
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
} as const satisfies Record<string, CatalogueEntry>;
