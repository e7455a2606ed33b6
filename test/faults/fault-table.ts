import type { TcpProxy } from '@volplane/testkit';
import type { FaultCluster } from './fault-cluster.js';

/** One kind of fault: what it is done to, how often it is chosen, how long it lasts, and how it begins and ends. */
export interface FaultKind {
  readonly kind: string;
  /** Faults of one target follow each other; those of different targets overlap. */
  readonly target: 'manager' | 'node' | 'etcd' | 'nats';
  readonly weight: number;
  /** Of `long` ones a session ends, of `short` ones it should not; `either` is decided by the seed. */
  readonly lasts: 'short' | 'long' | 'either';
  /** While a long one lasts the node is out of touch: what it holds under `lease` can be taken over. */
  readonly silences: boolean;
  /** `index` counts managers or nodes from 0. */
  readonly begin: (cluster: FaultCluster, index: number) => Promise<void>;
  readonly end: (cluster: FaultCluster, index: number) => Promise<void>;
}

const FAULTS: readonly FaultKind[] = [
  {
    kind: 'kill -9 of a manager',
    target: 'manager',
    weight: 3,
    lasts: 'short',
    silences: false,
    begin: (cluster, index) => at(cluster.managers, index).process.kill(),
    end: async (cluster, index) => {
      at(cluster.managers, index).process.start();
    },
  },
  {
    kind: 'manager stopped longer than the lease',
    target: 'manager',
    weight: 2,
    lasts: 'long',
    silences: false,
    begin: async (cluster, index) => {
      at(cluster.managers, index).process.signal('SIGSTOP');
    },
    end: async (cluster, index) => {
      at(cluster.managers, index).process.signal('SIGCONT');
    },
  },
  ...linkFaults('link of a manager to etcd', 'manager', (cluster, index) => at(cluster.managers, index).etcd),
  ...linkFaults('link of a manager to nats', 'manager', (cluster, index) => at(cluster.managers, index).nats),
  {
    kind: 'kill -9 of an agent, its writers write on',
    target: 'node',
    weight: 4,
    lasts: 'either',
    silences: true,
    begin: (cluster, index) => at(cluster.nodes, index).agent.kill(),
    end: async (cluster, index) => {
      at(cluster.nodes, index).agent.start();
    },
  },
  {
    kind: 'a whole node loses its power',
    target: 'node',
    weight: 4,
    lasts: 'either',
    silences: true,
    begin: (cluster, index) => at(cluster.nodes, index).powerOff(),
    end: async (cluster, index) => {
      at(cluster.nodes, index).agent.start();
    },
  },
  {
    kind: 'agent stopped longer than the lease, its writers write on',
    target: 'node',
    weight: 3,
    lasts: 'long',
    silences: true,
    begin: async (cluster, index) => {
      at(cluster.nodes, index).agent.signal('SIGSTOP');
    },
    end: async (cluster, index) => {
      at(cluster.nodes, index).agent.signal('SIGCONT');
    },
  },
  ...linkFaults('link of an agent to nats', 'node', (cluster, index) => at(cluster.nodes, index).link),
  {
    kind: 'kill -9 of a guardian',
    target: 'node',
    weight: 1,
    lasts: 'short',
    silences: false,
    begin: (cluster, index) => at(cluster.nodes, index).signalGuardian('SIGKILL'),
    end: async () => undefined,
  },
  {
    kind: 'disk of an agent full',
    target: 'node',
    weight: 2,
    lasts: 'short',
    silences: false,
    begin: (cluster, index) => at(cluster.nodes, index).fillDisk(),
    // An agent whose journal has failed ends by itself and is started again, as docs/operations.md says.
    end: (cluster, index) => at(cluster.nodes, index).freeDisk(),
  },
  {
    kind: 'restart of etcd',
    target: 'etcd',
    weight: 1,
    lasts: 'short',
    silences: false,
    begin: ({ etcd }) => etcd.kill(),
    end: ({ etcd }) => etcd.restart(),
  },
  {
    kind: 'restart of nats',
    target: 'nats',
    weight: 1,
    lasts: 'short',
    silences: false,
    begin: ({ nats }) => nats.kill(),
    end: ({ nats }) => nats.restart(),
  },
];

/** Every kind of fault, with those of one process first. */
export function faultKinds(): readonly FaultKind[] {
  return FAULTS;
}

/** Connections break and none can be made; or all stay open and every byte waits, as in a network that loses each packet. */
function linkFaults(
  what: string,
  target: 'manager' | 'node',
  link: (cluster: FaultCluster, index: number) => TcpProxy,
): readonly FaultKind[] {
  const common = { target, weight: target === 'node' ? 2 : 1, lasts: 'either', silences: target === 'node' } as const;
  return [
    {
      ...common,
      kind: `${what} cut`,
      begin: (cluster, index) => link(cluster, index).cut(),
      end: (cluster, index) => link(cluster, index).mend(),
    },
    {
      ...common,
      kind: `${what} loses every packet`,
      begin: async (cluster, index) => {
        link(cluster, index).freeze();
      },
      end: async (cluster, index) => {
        link(cluster, index).thaw();
      },
    },
  ];
}

function at<T>(list: readonly T[], index: number): T {
  const item = list[index];
  if (item === undefined) throw new Error(`there is no number ${String(index)}`);
  return item;
}
