import type { Phase, Telemetry } from '@volplane/base';
import { collectDefaultMetrics, Counter, Registry } from 'prom-client';
import { HistogramTable, type Histogram } from './histogram-table.js';

/** The telemetry of one process as Prometheus knows it; one line of names in docs/operations.md for each. */
export class PromTelemetry implements Telemetry {
  readonly #registry = new Registry();
  readonly #phaseTable = new HistogramTable<'phase'>({
    name: 'volplane_phase_seconds',
    help: 'Where the time of calls goes, by phase.',
    bounds: SECONDS,
  });
  readonly #batchTable = new HistogramTable({
    name: 'volplane_commit_batch_transactions',
    help: 'Transactions that went to etcd together.',
    bounds: TRANSACTIONS,
  });
  readonly #callTable = new HistogramTable<'class' | 'result'>({
    name: 'volplane_call_seconds',
    help: 'Calls at the gRPC door that were let in, by class and by how they ended.',
    bounds: SECONDS,
  });
  /** Those that have happened, as with prom-client. */
  readonly #phases: Partial<Record<Phase, Histogram>> = {};
  readonly #batches = this.#batchTable.add({});
  /** By class, then by result. */
  readonly #calls = new Map<string, Map<string, Histogram>>();
  readonly #shed: Counter<'where'>;

  constructor() {
    this.#shed = new Counter({
      name: 'volplane_shed_total',
      help: 'Work that was refused because too much was running already, by the bound that refused it.',
      labelNames: ['where'] as const,
      registers: [this.#registry],
    });
    // Among them the lag of the event loop, memory and garbage collection.
    collectDefaultMetrics({ register: this.#registry });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  async text(): Promise<string> {
    const tables = [this.#phaseTable, this.#batchTable, this.#callTable].map((table) => table.text());
    return [...tables, await this.#registry.metrics()].join('\n\n');
  }

  phase(phase: Phase, ms: number): void {
    (this.#phases[phase] ??= this.#phaseTable.add({ phase })).observe(ms / 1_000);
  }

  batch(transactions: number): void {
    this.#batches.observe(transactions);
  }

  call(kind: string, result: string, ms: number): void {
    (this.#calls.get(kind)?.get(result) ?? this.#newCall(kind, result)).observe(ms / 1_000);
  }

  shed(where: string): void {
    this.#shed.inc({ where });
  }

  #newCall(kind: string, result: string): Histogram {
    const histogram = this.#callTable.add({ class: kind, result });
    const results = this.#calls.get(kind) ?? new Map<string, Histogram>();
    this.#calls.set(kind, results.set(result, histogram));
    return histogram;
  }
}

/** From a decision (tens of microseconds) to the bound of a slow mount. */
const SECONDS = [0.00005, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60];

const TRANSACTIONS = [1, 2, 4, 8, 16, 24, 32];
