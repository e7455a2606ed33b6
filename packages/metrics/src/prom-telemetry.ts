import { PHASES, type Phase, type Telemetry } from '@volplane/base';
import { collectDefaultMetrics, Counter, Histogram, Registry } from 'prom-client';

/** The telemetry of one process as Prometheus knows it; one line of names in docs/operations.md for each. */
export class PromTelemetry implements Telemetry {
  readonly #registry = new Registry();
  readonly #phases: Readonly<Record<Phase, Histogram.Internal<'phase'>>>;
  readonly #batches: Histogram;
  readonly #calls: Histogram<'class' | 'result'>;
  readonly #shed: Counter<'where'>;
  /** A child costs a lookup by its labels; the few that there are, are looked up once. */
  readonly #callChildren = new Map<string, Histogram.Internal<'class' | 'result'>>();

  constructor() {
    const registers = [this.#registry];
    const phases = new Histogram({
      name: 'volplane_phase_seconds',
      help: 'Where the time of calls goes, by phase.',
      labelNames: ['phase'] as const,
      buckets: SECONDS,
      registers,
    });
    this.#phases = Object.fromEntries(PHASES.map((phase) => [phase, phases.labels(phase)])) as Record<Phase, Histogram.Internal<'phase'>>; // from PHASES itself
    this.#batches = new Histogram({
      name: 'volplane_commit_batch_transactions',
      help: 'Transactions that went to etcd together.',
      buckets: [1, 2, 4, 8, 16, 24, 32],
      registers,
    });
    this.#calls = new Histogram({
      name: 'volplane_call_seconds',
      help: 'Calls at the gRPC door that were let in, by class and by how they ended.',
      labelNames: ['class', 'result'] as const,
      buckets: SECONDS,
      registers,
    });
    this.#shed = new Counter({
      name: 'volplane_shed_total',
      help: 'Work that was refused because too much was running already, by the bound that refused it.',
      labelNames: ['where'] as const,
      registers,
    });
    // Among them the lag of the event loop, memory and garbage collection.
    collectDefaultMetrics({ register: this.#registry });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  phase(phase: Phase, ms: number): void {
    this.#phases[phase].observe(ms / 1_000);
  }

  batch(transactions: number): void {
    this.#batches.observe(transactions);
  }

  call(kind: string, result: string, ms: number): void {
    const key = `${kind} ${result}`;
    let child = this.#callChildren.get(key);
    if (child === undefined) this.#callChildren.set(key, (child = this.#calls.labels(kind, result)));
    child.observe(ms / 1_000);
  }

  shed(where: string): void {
    this.#shed.inc({ where });
  }
}

/** From a decision (tens of microseconds) to the bound of a slow mount. */
const SECONDS = [0.00005, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60];
