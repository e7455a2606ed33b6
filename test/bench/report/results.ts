import { WORKLOADS, type JobResult, type WorkloadName } from '../load/job.js';
import type { Chart } from './line-chart.js';

/** What was measured: a table, the ratios that were promised, and charts. Of several rounds the median of each counts. */
export class Results {
  readonly #rounds = new Map<string, JobResult[]>();

  add(result: JobResult): void {
    const key = `${result.workload} ${String(result.callers)}`;
    this.#rounds.set(key, [...(this.#rounds.get(key) ?? []), result]);
  }

  all(): readonly JobResult[] {
    return WORKLOADS.flatMap((workload) => this.#callers().flatMap((callers) => this.#find(workload, callers) ?? []));
  }

  table(): string {
    const callers = this.#callers();
    const head = ['a second, at callers', ...callers.map(String), 'median ms alone'];
    const rows = WORKLOADS.flatMap((workload) => {
      const cells = callers.map((count) => this.#find(workload, count));
      if (cells.every((cell) => cell === undefined)) return [];
      const alone = this.#find(workload, 1)?.p50Ms;
      return [[workload, ...cells.map((cell) => cell?.perSecond.toFixed(0) ?? ''), alone === undefined ? '' : alone.toFixed(2)]];
    });
    return [head, head.map((_, index) => (index === 0 ? '---' : '---:')), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
  }

  /** Each promise with what was reached, and what the bare libraries reach; what was not measured is left out. */
  verdicts(): string {
    const lines = (bounds: readonly Bound[], say: (reached: number, bound: Bound) => string): readonly string[] =>
      bounds.flatMap((bound) => {
        const reached = bound.ratio((workload, callers) => this.#find(workload, callers));
        return reached === undefined ? [] : [`${say(reached, bound)}  ${bound.text}`];
      });
    return [
      ...lines(
        PROMISES,
        (reached, { least }) => `${reached >= least ? 'reached' : 'MISSED '}  ${reached.toFixed(2).padStart(6)}  (${least.toFixed(2)})`,
      ),
      ...lines(FOR_SCALE, (reached) => `         ${reached.toFixed(2).padStart(6)}        `),
    ].join('\n');
  }

  charts(): readonly { readonly file: string; readonly chart: Chart }[] {
    const callers = this.#callers();
    const chart = (title: string, names: readonly WorkloadName[]): Chart => ({
      title,
      xTitle: 'callers at once',
      yTitle: 'operations a second',
      xs: callers.map(String),
      series: names
        .map((name) => ({ name: NAMES[name], ys: callers.map((count) => this.#find(name, count)?.perSecond) }))
        .filter(({ ys }) => ys.some((y) => y !== undefined)),
    });
    return [
      {
        file: 'create.svg',
        chart: chart('Creating', ['create', 'create-batch', 'docker-create', 'csi-create', 'etcd-create', 'bare-create', 'echo']),
      },
      { file: 'read.svg', chart: chart('Reading', ['get', 'list', 'echo']) },
      {
        file: 'other.svg',
        chart: chart('Mounting and removing', [
          'mount-pair-agent',
          'mount-pair-manager',
          'bare-pair',
          'remove',
          'docker-remove',
          'etcd-put',
        ]),
      },
    ];
  }

  #callers(): readonly number[] {
    return [...new Set([...this.#rounds.values()].flat().map(({ callers }) => callers))].sort((a, b) => a - b);
  }

  #find(workload: WorkloadName, callers: number): JobResult | undefined {
    const rounds = [...(this.#rounds.get(`${workload} ${String(callers)}`) ?? [])].sort((a, b) => a.perSecond - b.perSecond);
    return rounds[Math.floor((rounds.length - 1) / 2)];
  }
}

type Look = (workload: WorkloadName, callers: number) => JobResult | undefined;

/** `least`: what the ratio has to be. */
interface Bound {
  readonly text: string;
  readonly least: number;
  readonly ratio: (look: Look) => number | undefined;
}

const rates =
  (over: readonly [WorkloadName, number], under: readonly [WorkloadName, number]) =>
  (look: Look): number | undefined => {
    const [a, b] = [look(...over), look(...under)];
    return a === undefined || b === undefined || b.perSecond === 0 ? undefined : a.perSecond / b.perSecond;
  };

const PROMISES: readonly Bound[] = [
  { text: 'create / volume create of Docker Engine, 64 callers', least: 1, ratio: rates(['create', 64], ['docker-create', 64]) },
  { text: 'create / plain etcd3 create-if-absent, 64 callers', least: 1.5, ratio: rates(['create', 64], ['etcd-create', 64]) },
  { text: 'create / bare grpc-js echo, 64 callers', least: 0.5, ratio: rates(['create', 64], ['echo', 64]) },
  { text: 'linearizable get / bare grpc-js echo, 64 callers', least: 0.8, ratio: rates(['get', 64], ['echo', 64]) },
  { text: '4 etcd puts / mount and unmount at the agent, medians of 1 caller', least: 1, ratio: puts('mount-pair-agent') },
  { text: '4 etcd puts / mount and unmount at the manager, medians of 1 caller', least: 1, ratio: puts('mount-pair-manager') },
  { text: 'batch create / create, 64 callers', least: 3, ratio: rates(['create-batch', 64], ['create', 64]) },
  { text: 'batch create, 256 in flight / create, 64 callers', least: 3, ratio: rates(['create-batch', 256], ['create', 64]) },
  {
    text: 'batch create / volume create of Docker Engine, 64 callers',
    least: 2.5,
    ratio: rates(['create-batch', 64], ['docker-create', 64]),
  },
];

/** Not promised: what the same hops take with nothing of ours in them. */
const FOR_SCALE: readonly Bound[] = [
  { text: 'create / bare chain of its hops, 64 callers', least: 0, ratio: rates(['create', 64], ['bare-create', 64]) },
  { text: 'batch create / bare chain of its hops, 64 callers', least: 0, ratio: rates(['create-batch', 64], ['bare-create', 64]) },
  { text: '4 etcd puts / bare chain of two claims, medians of 1 caller', least: 0, ratio: puts('bare-pair') },
];

function puts(pair: WorkloadName): (look: Look) => number | undefined {
  return (look) => {
    const [put, both] = [look('etcd-put', 1)?.p50Ms, look(pair, 1)?.p50Ms];
    return put === undefined || both === undefined || both === 0 ? undefined : (4 * put) / both;
  };
}

const NAMES: Readonly<Record<WorkloadName, string>> = {
  echo: 'bare grpc-js echo',
  'etcd-put': 'etcd put (etcd3)',
  'etcd-create': 'etcd create-if-absent',
  'bare-create': 'bare chain of a create',
  'bare-pair': 'bare chain of two claims',
  'docker-create': 'docker volume create',
  'docker-remove': 'docker volume rm',
  'csi-create': 'CSI CreateVolume',
  'csi-delete': 'CSI DeleteVolume',
  create: 'create',
  'create-batch': 'create, batch',
  get: 'get, linearizable',
  list: 'list, pages of 100',
  'mount-pair-agent': 'mount+unmount at agent',
  'mount-pair-manager': 'mount+unmount at manager',
  remove: 'remove',
};
