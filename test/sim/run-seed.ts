import { Faults } from './faults.js';
import { mixOf } from './mixes.js';
import { Violation } from './violation.js';
import { World } from './world.js';
import { Workload } from './workload.js';

export interface SeedResult {
  readonly seed: number;
  readonly mix: string;
  readonly events: number;
  readonly faults: number;
  readonly done: number;
  readonly refused: number;
  readonly takeovers: number;
  readonly writes: number;
  readonly violation?: { readonly rule: string; readonly message: string };
}

/** One whole life of a cluster from one seed: faults and work, then peace, in which everything must come to rest. */
export async function runSeed(seed: number, trace?: (line: string) => void): Promise<SeedResult> {
  const world = new World({ seed, mix: mixOf(seed), sessionTtlMs: 2_000, ...(trace === undefined ? {} : { trace }) });
  const workload = new Workload(world);
  const faults = new Faults(world, workload);
  let violation: Violation | undefined;
  try {
    await world.run(2_000);
    workload.run(STORMY_MS);
    faults.run(STORMY_MS);
    await world.run(STORMY_MS);
    faults.heal();
    const restMs = STORMY_MS + world.options.mix.lingerMs;
    if (restMs > STORMY_MS) await checkTold(world, restMs);
    workload.endAll();
    await settle(world, workload, restMs);
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    violation = error;
  }
  const { takeovers, writes } = world.checks;
  return {
    seed,
    mix: world.options.mix.name,
    events: world.events,
    faults: faults.count,
    done: workload.done,
    refused: workload.refused,
    takeovers,
    writes,
    ...(violation === undefined ? {} : { violation: { rule: violation.rule, message: violation.message } }),
  };
}

/** Uses go on in peace: a node that has lost a volume is told, and cuts it off (rule 12). */
async function checkTold(world: World, untilMs: number): Promise<void> {
  await world.run(untilMs);
  const untold = world.checks.findUntold(world.nodes.map((node) => node.kernel));
  if (untold !== undefined)
    throw new Violation('what is lost is told', `${untold}, ${String(untilMs - STORMY_MS)} ms after the last fault`);
}

/** Everything must come to rest in bounded time once the faults have ended (invariant 5). */
async function settle(world: World, workload: Workload, fromMs: number): Promise<void> {
  const endMs = fromMs + REST_MS;
  let unrest: string | undefined = 'not looked yet';
  for (let untilMs = fromMs + 5_000; untilMs <= endMs; untilMs += 5_000) {
    await world.run(untilMs);
    workload.reconcile();
    unrest = findUnrest(world);
    if (unrest === undefined) return;
  }
  throw new Violation('nothing is lost', `not at rest ${String(REST_MS / 1000)} s after the last fault: ${unrest ?? ''}`);
}

/** What has not come to rest; undefined = all has. */
function findUnrest(world: World): string | undefined {
  const documents = world.checks.documents();
  for (const document of documents) {
    if (document.operation !== undefined) return `volume ${document.name} still has the operation ${document.operation.kind}`;
    const [held] = Object.keys(document.attachments);
    if (held !== undefined) return `volume ${document.name} is still attached on ${held}`;
    if (world.storage.find(document.uid) === undefined) return `volume ${document.name} is ready and has no data`;
  }
  for (const node of world.nodes) {
    const book = node.agent?.agent.book;
    if (book === undefined) return `node ${node.name} has no agent`;
    const [record] = book.mounts();
    if (record !== undefined)
      return `node ${node.name} still has a record of ${record.name} (${record.state}, ids ${record.mountIds.join(',')})`;
    const [owed] = book.releases();
    if (owed !== undefined) return `node ${node.name} still owes the release of ${owed.name}`;
    const [mount] = node.kernel.mounts;
    if (mount !== undefined) return `node ${node.name} still has ${mount.path} mounted`;
  }
  const orphan = world.storage.volumes.find((volume) => !documents.some((document) => document.uid === volume.uid));
  return orphan === undefined ? undefined : `the storage still has data of volume ${orphan.name}, uid ${orphan.uid}`;
}

const STORMY_MS = 20_000;
const REST_MS = 90_000;
