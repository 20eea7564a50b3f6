import type { CatalogueEntry } from '../entry.ts';

/** Of the program itself, and of what it finds around it. */
export const program = {
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
  INTERNAL: {
    meaning: 'The program met a state that it holds to be impossible.',
    remedy: 'Report it with the whole message; nothing was committed past the last position.',
    recovery: 'stop',
  },
} as const satisfies Record<string, CatalogueEntry>;
