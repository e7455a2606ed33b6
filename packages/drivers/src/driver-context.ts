import type { HostMounts, ToolRunner } from '@volplane/host';
import type { Clock, Logger, Random } from '@volplane/base';
import type { FileRunner } from './files/file-call.js';

/** What every driver gets from its agent. */
export interface DriverContext {
  readonly mounts: HostMounts;
  readonly run: ToolRunner;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Resolves a host name to an address, as getaddrinfo does. */
  readonly lookup: (host: string) => Promise<string>;
  /** False: no mount can be made here (not root); what needs none still works. */
  readonly mayMount: boolean;
  /** What carries out the calls on files below `root`; the same one for the same root. */
  readonly files: (root: string) => FileRunner;
  /** Awaited between two effects. Tests crash a driver there; {@link noSteps} where nobody does. */
  readonly onStep: (step: string) => Promise<void>;
}

/** Steps that nobody watches: what lies between them may go in one. */
export const noSteps: DriverContext['onStep'] = () => Promise.resolve();
