import type { HostMounts, ToolRunner } from '@volplane/host';
import type { Clock, Logger, Random } from '@volplane/base';

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
  /** Awaited between two effects. Tests crash a driver there; the real one does nothing. */
  readonly onStep: (step: string) => Promise<void>;
}
