// Method: prom-client is told the same as our own tables, and has to write the same text.
import { PHASES, type Phase } from '@volplane/base';
import { expect } from 'chai';
import fc from 'fast-check';
import { Counter, Histogram, Registry } from 'prom-client';
import { HistogramTable } from '../src/histogram-table.js';
import { PromTelemetry } from '../src/index.js';

const SECONDS = [0.00005, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60];

/** What each observation tells both. */
interface Told {
  phase(phase: Phase, ms: number): void;
  batch(transactions: number): void;
  call(kind: string, result: string, ms: number): void;
  shed(where: string): void;
}

function reference(): { readonly told: Told; readonly registry: Registry } {
  const registry = new Registry();
  const registers = [registry];
  const phases = new Histogram({
    name: 'volplane_phase_seconds',
    help: 'Where the time of calls goes, by phase.',
    labelNames: ['phase'],
    buckets: SECONDS,
    registers,
  });
  const batches = new Histogram({
    name: 'volplane_commit_batch_transactions',
    help: 'Transactions that went to etcd together.',
    buckets: [1, 2, 4, 8, 16, 24, 32],
    registers,
  });
  const calls = new Histogram({
    name: 'volplane_call_seconds',
    help: 'Calls at the gRPC door that were let in, by class and by how they ended.',
    labelNames: ['class', 'result'],
    buckets: SECONDS,
    registers,
  });
  const shed = new Counter({
    name: 'volplane_shed_total',
    help: 'Work that was refused because too much was running already, by the bound that refused it.',
    labelNames: ['where'],
    registers,
  });
  const told: Told = {
    phase: (phase, ms) => {
      phases.labels(phase).observe(ms / 1_000);
    },
    batch: (transactions) => {
      batches.observe(transactions);
    },
    call: (kind, result, ms) => {
      calls.labels(kind, result).observe(ms / 1_000);
    },
    shed: (where) => {
      shed.inc({ where });
    },
  };
  return { told, registry };
}

const label = fc.oneof(fc.constantFrom('read', 'write', 'ok', 'OVERLOADED'), fc.constantFrom('a "b"', 'c\\d', 'e\nf', '', '7'));

const milliseconds = fc.oneof(
  fc.double({ min: -1, max: 100_000, noNaN: true }),
  // On a bound and next to it.
  fc.constantFrom(...SECONDS).chain((bound) => fc.constantFrom(bound * 1_000, bound * 1_000 + 1e-9, bound * 1_000 - 1e-9)),
);

const observation = fc.oneof(
  fc.tuple(fc.constantFrom(...PHASES), milliseconds).map(([phase, ms]) => (to: Told): void => {
    to.phase(phase, ms);
  }),
  fc.integer({ min: 0, max: 40 }).map((transactions) => (to: Told): void => {
    to.batch(transactions);
  }),
  fc.tuple(label, label, milliseconds).map(([kind, result, ms]) => (to: Told): void => {
    to.call(kind, result, ms);
  }),
  label.map((where) => (to: Told): void => {
    to.shed(where);
  }),
);

describe('PromTelemetry', () => {
  /** The page without the metrics of the process itself, which are prom-client's own. */
  const ourPart = async (telemetry: PromTelemetry): Promise<string> => {
    const text = await telemetry.text();
    return text.slice(0, text.indexOf('\n\n# HELP process_')) + '\n';
  };

  it('writes what prom-client writes for the same observations, to the letter', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(observation, { maxLength: 200 }), async (observations) => {
        const telemetry = new PromTelemetry();
        const { told, registry } = reference();
        for (const tell of observations) {
          tell(telemetry);
          tell(told);
        }
        expect(await ourPart(telemetry)).to.equal(await registry.metrics());
      }),
      { seed: 20_261_129, numRuns: 25 },
    );
  });

  it('writes the help of a family as prom-client does', async () => {
    const options = { name: 'x', help: 'a \\ and\na "line"' };
    const table = new HistogramTable({ ...options, bounds: [1] });
    table.add({});
    const registry = new Registry();
    new Histogram({ ...options, buckets: [1], registers: [registry] });
    expect(`${table.text()}\n`).to.equal(await registry.metrics());
  });

  it('does not count what is no finite number, and never throws', async () => {
    const telemetry = new PromTelemetry();
    for (const value of [Number.NaN, Infinity, -Infinity]) telemetry.batch(value);
    telemetry.batch(3);
    expect(await ourPart(telemetry)).to.contain('volplane_commit_batch_transactions_sum 3\n');
  });
});
