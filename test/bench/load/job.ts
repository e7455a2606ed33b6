/** What load there is; docs/benchmarks/README.md says what each does. */
export const WORKLOADS = [
  'echo',
  'etcd-put',
  'etcd-create',
  'bare-create',
  'bare-pair',
  'docker-create',
  'docker-remove',
  'csi-create',
  'csi-delete',
  'create',
  'create-batch',
  'get',
  'list',
  'mount-pair-agent',
  'mount-pair-manager',
  'remove',
] as const;

export type WorkloadName = (typeof WORKLOADS)[number];

/** They take away what others have made. */
export const REMOVALS: ReadonlySet<WorkloadName> = new Set(['docker-remove', 'csi-delete', 'remove']);

/** Addresses of what is measured. */
export interface Targets {
  readonly echo: string;
  /** The front of the bare chain. */
  readonly chain: string;
  readonly etcd: string;
  readonly manager: string;
  readonly agent: string;
  readonly node: string;
  /** Socket of a Docker Engine; empty = none here. */
  readonly docker: string;
  /** A CSI endpoint; empty = none was given. */
  readonly csi: string;
}

/** One measurement, as the load process is asked for it. */
export interface Job {
  readonly workload: WorkloadName;
  readonly callers: number;
  readonly warmupMs: number;
  readonly measureMs: number;
  readonly targets: Targets;
}

export interface JobResult {
  readonly workload: WorkloadName;
  readonly callers: number;
  readonly perSecond: number;
  /** Undefined where a caller has many operations in flight. */
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  readonly operations: number;
  /** With those of the warm-up. */
  readonly operationsInAll: number;
  /** Processor time of each process for one operation, in microseconds, in user and kernel mode. */
  readonly cpuMicros: Readonly<Record<string, number>>;
  /** Mean milliseconds of each phase (docs/operations.md), by process. */
  readonly phaseMs: Readonly<Record<'manager' | 'agent', Readonly<Record<string, number>>>>;
}

/** What the load process answers. */
export type JobAnswer = { readonly result: Omit<JobResult, 'cpuMicros' | 'phaseMs'> } | { readonly fault: string };
