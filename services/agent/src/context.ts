import { join } from 'node:path';
import { ComponentGroup, systemClock, systemRandom, type Logger } from '@volplane/base';
import { credentialsFrom, NatsBus } from '@volplane/bus-nats';
import { CsiServer, csiOptionsFrom, systemNodeHost } from '@volplane/csi';
import { openDrivers } from '@volplane/drivers';
import { Agent } from '@volplane/engine';
import { FileJournal, readBootId, RunningPrograms, systemMounts, systemToolRunner, type ProgramRecorder } from '@volplane/host';
import { openMetrics } from '@volplane/metrics';
import { RpcServer, tlsFrom } from '@volplane/rpc';
import type { AgentSettings } from './config.js';
import { addHostedPlugins, openDockerDoor } from './docker-door.js';
import { makeGuardian } from './guardian.js';

export interface RunningAgent {
  /** Where callers on this node are served, with the ports that were found. */
  readonly addresses: readonly string[];
  /** Rejects when a part failed. */
  readonly failed: Promise<never>;
  close(): Promise<void>;
}

/** Puts an agent together: journal, drivers, bus, engine, doors. Nothing here waits for NATS or a manager. */
export async function openAgent(settings: AgentSettings, log: Logger): Promise<RunningAgent> {
  const group = new ComponentGroup(log);
  try {
    const { telemetry } = group.own(await openMetrics(settings.metrics, log));
    const journal = await FileJournal.open({ folder: join(settings.dataDir, 'journal'), log });
    group.own({ name: 'journal', close: () => journal.close() });
    // Behind the journal: who has that has the folder, and what runs in it is of nobody who lives. Before everything that acts on volumes.
    const machine = { clock: systemClock, random: systemRandom, log };
    const programs = await RunningPrograms.open({ folder: join(settings.dataDir, 'programs'), ...machine });
    group.start(programs);
    const own = await openDrivers({ file: settings.drivers, node: settings.node, dataDir: settings.dataDir, programs, ...machine });
    const drivers = await addHostedPlugins(own, settings, { group, programs, log });
    const bus = await NatsBus.open({
      servers: settings.nats,
      name: `volplane agent ${settings.node}`,
      ...credentialsFrom(settings),
      clock: systemClock,
      random: systemRandom,
      log,
    });
    group.own({ name: 'nats', close: () => bus.close() });
    const guardian = makeGuardian(join(settings.dataDir, 'guardian'), log);
    group.start(guardian);
    const boot = await readBootId();
    const agent = Agent.start({
      node: settings.node,
      ...(boot === undefined ? {} : { boot }),
      guardian,
      programs,
      labels: settings.labels,
      version: VERSION,
      journal,
      bus,
      drivers,
      clock: systemClock,
      random: systemRandom,
      log,
      telemetry,
    });
    group.own({ name: 'engine', close: () => agent.stop() });
    const door = { listen: settings.listen, api: agent.api, clock: systemClock, log, telemetry, ...tlsFrom(settings) };
    const server = await RpcServer.open(door);
    group.own({ name: 'gRPC door', close: () => server.close() });
    if (settings.csi !== '') group.own(await openCsi(settings, { agent, programs, log }));
    server.setServing(true);
    const docker = await openDockerDoor(settings, { api: agent.api, drivers: drivers.map(({ info }) => info), log });
    if (docker !== undefined) group.own(docker);
    return { addresses: server.addresses, failed: Promise.race([group.failed, agent.failed, journal.failed]), close: () => group.stop() };
  } catch (error) {
    await group.stop();
    throw error;
  }
}

/** Identity and Node, and Controller as well where one plugin serves all. */
async function openCsi(
  settings: AgentSettings,
  parts: { readonly agent: Agent; readonly programs: ProgramRecorder; readonly log: Logger },
): Promise<CsiServer> {
  const { agent, programs, log } = parts;
  const mounts = systemMounts(systemClock, systemToolRunner(systemClock, { programs }));
  return await CsiServer.open({
    endpoint: settings.csi,
    socketMode: settings.csiSocketMode,
    options: csiOptionsFrom(settings, VERSION),
    clock: systemClock,
    random: systemRandom,
    log,
    node: { api: agent.api, host: systemNodeHost(mounts), node: { name: settings.node, labels: settings.labels } },
    ...(settings.csiController ? { controller: { api: agent.cluster } } : {}),
  });
}

const VERSION = '0.1.0';
