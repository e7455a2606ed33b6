import { readFileSync } from 'node:fs';
import { ComponentGroup, hasReason, systemClock, systemRandom, type Logger } from '@volplane/base';
import { credentialsFrom, NatsBus } from '@volplane/bus-nats';
import { CsiServer, csiOptionsFrom } from '@volplane/csi';
import { Manager } from '@volplane/engine';
import { openMetrics } from '@volplane/metrics';
import { RpcServer, tlsFrom } from '@volplane/rpc';
import { EtcdKv, type EtcdKvOptions } from '@volplane/store-etcd';
import type { ManagerSettings } from './config.js';

export interface RunningManager {
  /** Where callers are served, with the ports that were found. */
  readonly addresses: readonly string[];
  /** Rejects when a part failed. */
  readonly failed: Promise<never>;
  close(): Promise<void>;
}

/** Puts a manager together: store, bus, engine, door, in this order; the door serves only once the records are in memory. */
export async function openManager(settings: ManagerSettings, id: string, log: Logger): Promise<RunningManager> {
  const group = new ComponentGroup(log);
  try {
    const { telemetry } = group.own(await openMetrics(settings.metrics, log));
    const kv = await EtcdKv.open({ endpoints: settings.etcd, ...etcdAccess(settings), log });
    group.own({ name: 'etcd', close: () => kv.close() });
    const bus = await NatsBus.open({
      servers: settings.nats,
      name: `volplane manager ${id}`,
      ...credentialsFrom(settings),
      clock: systemClock,
      random: systemRandom,
      log,
    });
    group.own({ name: 'nats', close: () => bus.close() });
    const manager = Manager.start({
      id,
      address: settings.advertise === '' ? (settings.listen[0] ?? '') : settings.advertise,
      kv,
      bus,
      clock: systemClock,
      random: systemRandom,
      log,
      telemetry,
      sessionTtlMs: settings.sessionTtlMs,
      brake: { lostShareMax: settings.brakeShare / 100, takeoversPerMinuteMax: settings.brakePerMinute, lostWindowMs: 600_000 },
    });
    group.own({ name: 'engine', close: () => manager.stop() });
    const door = { listen: settings.listen, api: manager.api, clock: systemClock, log, telemetry, ...tlsFrom(settings) };
    const server = await RpcServer.open(door);
    group.own({ name: 'gRPC door', close: () => server.close() });
    if (settings.csi !== '') {
      const options = csiOptionsFrom(settings, VERSION);
      const csi = { endpoint: settings.csi, socketMode: settings.csiSocketMode, options, clock: systemClock, random: systemRandom, log };
      group.own(await CsiServer.open({ ...csi, controller: { api: manager.api } }));
    }
    const serve = async (): Promise<void> => {
      await manager.ready;
      server.setServing(true);
      log.info('records are in memory', { volumes: manager.cache.volumes.size, nodes: manager.cache.nodes.size });
    };
    serve().catch((error: unknown) => {
      if (!hasReason(error, 'SHUTTING_DOWN')) log.error('records could not be read', { error });
    });
    return { addresses: server.addresses, failed: Promise.race([group.failed, manager.failed]), close: () => group.stop() };
  } catch (error) {
    await group.stop();
    throw error;
  }
}

export function etcdAccess(settings: ManagerSettings): Partial<EtcdKvOptions> {
  const { etcdUser, etcdPasswordFile, etcdCa, etcdCert, etcdKey } = settings;
  return {
    ...(etcdUser === '' ? {} : { username: etcdUser, password: readSecret(etcdPasswordFile) }),
    ...(etcdCa === '' ? {} : { ca: etcdCa }),
    ...(etcdCert === '' ? {} : { cert: etcdCert }),
    ...(etcdKey === '' ? {} : { key: etcdKey }),
  };
}

function readSecret(path: string): string {
  return path === '' ? '' : readFileSync(path, 'utf8').trim();
}

const VERSION = '0.1.0';
