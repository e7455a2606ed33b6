import type { MountMode, TakeoverPolicy } from '../src/index.js';

/** One thing that happens. `by` picks a node, `other` a second one, `at` something of what is on its way, `late` an older look. */
export interface Step {
  readonly kind: StepKind;
  readonly by: number;
  readonly other: number;
  readonly at: number;
  readonly mode: MountMode;
  readonly takeover: TakeoverPolicy;
  /** Decide from the state of this many steps ago, as a manager whose memory is behind; the store compares. */
  readonly late: number;
}

/** Each kind of step with how often it comes: what moves things on comes often, what ends them for good rarely. */
export const STEP_WEIGHTS = {
  create: 3,
  claim: 10,
  'claim-with-fence': 3,
  mount: 8,
  unmount: 3,
  'deliver-release': 4,
  'session-ends': 4,
  'session-begins': 6,
  'send-commands': 3,
  'run-command': 6,
  'deliver-answer': 6,
  remove: 2,
  'rehome-request': 2,
  'rehome-gone': 3,
  expand: 2,
  settings: 2,
  unguarded: 1,
  guarded: 2,
  'force-release': 2,
  'declare-lost': 1,
  'settle-lost': 3,
  'drop-lost': 1,
  'replace-machine': 3,
  'release-gone': 3,
} as const;

export type StepKind = keyof typeof STEP_WEIGHTS;

/** After these the cluster's view is another one. */
export const CHANGES_NODES: readonly StepKind[] = [
  'session-ends',
  'session-begins',
  'unguarded',
  'guarded',
  'declare-lost',
  'replace-machine',
];
