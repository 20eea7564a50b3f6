import { AfterwriteError } from '../../ops/errors/index.ts';
import type { Candidate, Candidates } from './candidates.ts';
import type { Roster, ServerGroup } from './followed.ts';
import type { ResumePoint } from './session.ts';

/** Servers, and why they are only those that were told last, if they are. */
interface Known {
  readonly roster: Roster;
  readonly silence: AfterwriteError | undefined;
}

/** What servers say of themselves, and why they are only those that were told last, if they are. */
export interface Looked {
  readonly candidates: readonly Candidate[];
  readonly silence: AfterwriteError | undefined;
}

/**
 * The servers of a group; while nobody tells them (no Sentinel answers), those that were told last.
 *
 * Nobody knows then who the master is, and one that was demoted may not know it itself. But a server that is promoted takes
 * another replid. So one that still plays the part that it was told to play, and serves the very replid that was followed, has the
 * history that a link would have brought that had not broken, and may be followed where it can go on. Any other may not,
 * and nothing may be read from its start: that would take a stale history for the truth.
 */
export class KnownServers {
  readonly #group: ServerGroup;
  readonly #candidates: Candidates;
  readonly #onSilence: (silence: AfterwriteError | undefined) => void;

  /** @param onSilence called at each look: with the reason while nobody tells the servers */
  constructor(group: ServerGroup, candidates: Candidates, onSilence: (silence: AfterwriteError | undefined) => void) {
    this.#group = group;
    this.#candidates = candidates;
    this.#onSilence = onSilence;
  }

  /** @throws what keeps them from being told, before they ever were, or when a person has to act */
  async roster(): Promise<Known> {
    try {
      const roster = await this.#group.roster();
      this.#onSilence(undefined);
      return { roster, silence: undefined };
    } catch (silence) {
      if (!(silence instanceof AfterwriteError) || silence.code !== 'REDIS_NO_SENTINEL') throw silence;
      this.#onSilence(silence);
      const roster = await this.#group.lastRoster();
      if (roster === undefined) throw silence;
      return { roster, silence };
    }
  }

  /**
   * Looks at all of them, as those who are to go on after `resume`, or to begin with a full resync.
   * @throws as `roster`, and in silence where there is nothing to go on after
   */
  async look(resume: ResumePoint | null): Promise<Looked> {
    const { roster, silence } = await this.roster();
    if (silence !== undefined && resume === null) throw silence;
    const candidates = await this.#candidates.look(roster, resume);
    if (silence === undefined || resume === null) return { candidates, silence };
    return { candidates: candidates.map((one) => ofSameHistory(one, resume)), silence };
  }
}

function ofSameHistory(candidate: Candidate, resume: ResumePoint): Candidate {
  const { unfit, goesOn, replid } = candidate;
  if (unfit !== undefined || (goesOn === 'yes' && replid === resume.replid)) return candidate;
  return { ...candidate, unfit: 'cannot go on in the history that was followed' };
}
