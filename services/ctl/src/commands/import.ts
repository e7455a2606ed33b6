import type { Command } from 'commander';
import { AppError, systemClock } from '@volplane/base';
import { EngineClient, planImport, runImport, type ImportEntry, type ImportOutcome } from '@volplane/docker-plugin';
import type { DriverView, Scope, VolumeView } from '@volplane/domain';
import { gather, nodeOption, type Act } from '../arguments.js';
import { exitOf } from '../exit-codes.js';
import type { Session } from '../session.js';
import { printable, table } from '../text/table.js';
import { everyPage } from './pages.js';

export function registerImport(program: Command, act: Act): void {
  program
    .command('import')
    .description(
      'show how the volumes that an engine of this host has would become volumes of the cluster, their data untouched; with --apply adopt them',
    )
    .argument('<from>', "the engine's driver: local, or the name of a plugin")
    .addOption(nodeOption('required: the node that this host is').makeOptionMandatory())
    .option('--engine <socket>', "the engine's API socket on this host", '/run/docker.sock')
    .option('-d, --driver <driver>', 'the driver that shall have them: local, or the one that hosts the plugin; default: of the same name')
    .option('--prefix <text>', 'put before each name')
    .option('--only <name>', 'only this one of the engine; can be repeated', gather)
    .option('--apply', 'do it; without this nothing is changed')
    .action(act(importVolumes));
}

interface ImportOptions {
  readonly node: string;
  readonly engine: string;
  readonly driver?: string;
  readonly prefix?: string;
  readonly only?: readonly string[];
  readonly apply?: boolean;
}

async function importVolumes(session: Session, from: string, options: ImportOptions): Promise<void> {
  const plan = await makePlan(session, from, options);
  const adoptable = plan.filter(({ action }) => action === 'adopt').length;
  if (options.apply !== true) {
    session.show({ plan }, () => planText(plan));
    if (!session.isJson) {
      noteWarnings(session, plan);
      session.note(`nothing was changed${adoptable > 0 ? `; add --apply to adopt ${String(adoptable)} of ${String(plan.length)}` : ''}`);
    }
    return;
  }
  const outcomes = await runImport(plan, session.client, session.context);
  session.show({ plan, outcomes: outcomes.map(toShown) }, () => resultText(plan, outcomes));
  endAs(session, plan, outcomes);
}

async function makePlan(session: Session, from: string, options: ImportOptions): Promise<readonly ImportEntry[]> {
  const { node, only, prefix } = options;
  const engine = new EngineClient({ socketPath: options.engine.replace(/^unix:(\/\/)?/, ''), clock: systemClock });
  const driver = await driverOf(session, node, options.driver ?? from);
  const { volumes, warnings } = await engine.listVolumes(session.io.signal);
  for (const warning of warnings) session.note(`the engine says: ${printable(warning)}`);
  const all = new Set(volumes.map(({ name }) => name));
  const missing = (only ?? []).filter((name) => !all.has(name));
  if (missing.length > 0)
    throw new AppError('VOLUME_NOT_FOUND', `the engine has no volume ${missing.join(', ')}`, { engine: options.engine });
  const { capabilities, name } = driver.info;
  return planImport({
    volumes: only === undefined ? volumes : volumes.filter((volume) => only.includes(volume.name)),
    containers: await engine.listContainers(session.io.signal),
    existing: await everyVolume(session, node, capabilities.scope),
    node,
    from,
    into: { driver: name, scope: capabilities.scope },
    ...(prefix !== undefined && { prefix }),
  });
}

async function driverOf(session: Session, node: string, name: string): Promise<DriverView> {
  const found = (await session.client.listDrivers({ node }, session.context)).find(({ info }) => info.name === name);
  if (found !== undefined) return found;
  const advice = 'let its agent host the plugin (--host-plugins, or kind plugin in drivers.json), or name the driver with --driver';
  throw new AppError('DRIVER_NOT_FOUND', `node ${node} has no driver ${name}: ${advice}`, { driver: name, node });
}

/** @throws AppError NODE_UNAVAILABLE: without the node's local volumes a plan would not see what is there already */
async function everyVolume(session: Session, node: string, scope: Scope): Promise<readonly VolumeView[]> {
  const filter = scope === 'local' ? { scope, node } : { scope };
  const pages = await everyPage((page) => session.client.listVolumes({ ...page, pageSize: PAGE_SIZE, filter }, session.context));
  if (scope === 'local' && pages.some(({ unansweredNodes }) => unansweredNodes.some((name) => name === node))) {
    throw new AppError('NODE_UNAVAILABLE', `node ${node} does not answer for its local volumes`, { node });
  }
  return pages.flatMap(({ volumes }) => volumes);
}

const PAGE_SIZE = 500;

function planText(plan: readonly ImportEntry[]): string {
  if (plan.length === 0) return 'the engine has no volume of this driver';
  return table(
    ['VOLUME', 'NAME', 'ACTION', 'HOW OR WHY NOT'],
    plan.map(({ volume, name, action, reason }) => [volume, name, action, reason]),
  );
}

function resultText(plan: readonly ImportEntry[], outcomes: readonly ImportOutcome[]): string {
  const faults = new Map(outcomes.map(({ entry, fault }) => [entry, fault]));
  const rows = plan.map((entry) => {
    const fault = faults.get(entry);
    const result = entry.action === 'adopt' ? (fault === undefined ? 'adopted' : 'failed') : entry.action === 'done' ? 'done' : 'refused';
    return [entry.volume, entry.name, result, fault?.message ?? entry.reason];
  });
  return plan.length === 0 ? 'the engine has no volume of this driver' : table(['VOLUME', 'NAME', 'RESULT', 'HOW OR WHY NOT'], rows);
}

function toShown({ entry, fault }: ImportOutcome): object {
  return { volume: entry.volume, name: entry.name, ...(fault !== undefined && { failure: fault.failure }) };
}

function noteWarnings(session: Session, plan: readonly ImportEntry[]): void {
  for (const { volume, warnings } of plan) for (const warning of warnings) session.note(printable(`${volume}: ${warning}`));
}

/** A failure decides; what the plan refused leaves the rest done in part. */
function endAs(session: Session, plan: readonly ImportEntry[], outcomes: readonly ImportOutcome[]): void {
  const adopted = outcomes.filter(({ fault }) => fault === undefined).length;
  const fault = outcomes.find((outcome) => outcome.fault !== undefined)?.fault;
  if (fault !== undefined) session.endWith(adopted > 0 ? 'partial' : exitOf(fault));
  else if (plan.some(({ action }) => action === 'refuse')) session.endWith(adopted > 0 ? 'partial' : 'refused');
}
