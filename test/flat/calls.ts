import { access, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '@volplane/base';
import type { CallContext } from '@volplane/engine';
import type { VolplaneClient } from '@volplane/rpc';
import { persist } from '../cluster/test-cluster.js';
import type { CallId } from './table.js';

/** The doors of one cluster, as the callers of one node see it. */
export interface Doors {
  /** Of the agent of {@link NODE}. */
  readonly agent: VolplaneClient;
  /** Of every manager, in turn. */
  readonly manager: VolplaneClient;
}

export interface FlatCall {
  /** Makes what the call needs, while everything runs. */
  readonly prepare?: (doors: Doors, name: string, context: CallContext) => Promise<unknown>;
  /** Makes the call and checks its answer. */
  readonly run: (doors: Doors, name: string, context: CallContext) => Promise<void>;
}

export const NODE = 'node-1';
/** A local and a global volume that are in use all the time. */
export const KEPT = { local: 'kept-local', global: 'kept-global' } as const;

/** The calls of the table; `name` is a volume of this very call. */
export const CALLS: Readonly<Record<CallId, FlatCall>> = {
  'local create': { run: ({ agent }, name, context) => done(agent.createVolume({ name }, context)) },
  'local mount': {
    prepare: ({ agent }, name, context) => agent.createVolume({ name }, context),
    run: async ({ agent }, name, context) => {
      await usable((await agent.mountVolume({ name, mountId: 'c1' }, context)).path);
    },
  },
  'local unmount': {
    prepare: async ({ agent }, name, context) => {
      await agent.createVolume({ name }, context);
      await agent.mountVolume({ name, mountId: 'c1' }, context);
    },
    run: ({ agent }, name, context) => agent.unmountVolume({ name, mountId: 'c1' }, context),
  },
  'local remove': {
    prepare: ({ agent }, name, context) => agent.createVolume({ name }, context),
    run: ({ agent }, name, context) => agent.removeVolume({ name }, context),
  },
  'local get': { run: ({ agent }, _, context) => done(agent.getVolume({ name: KEPT.local }, context)) },
  'local list': {
    run: async ({ agent }, _, context) => {
      const { volumes } = await agent.listVolumes({ pageSize: 1_000 }, context);
      expectTrue(
        volumes.some(({ name }) => name === KEPT.local),
        'local volumes are listed',
      );
    },
  },
  'global create at the manager': { run: ({ manager }, name, context) => done(manager.createVolume({ name, driver: 'shared' }, context)) },
  'global create at the agent': { run: ({ agent }, name, context) => done(agent.createVolume({ name, driver: 'shared' }, context)) },
  'global mount at the manager': {
    prepare: makeGlobal,
    run: async ({ manager }, name, context) => {
      await usable((await manager.mountVolume({ name, node: NODE, mountId: 'c1' }, context)).path);
    },
  },
  'global mount at the agent': {
    prepare: makeGlobal,
    run: async ({ agent }, name, context) => {
      await usable((await agent.mountVolume({ name, mountId: 'c1' }, context)).path);
    },
  },
  'further mount at the manager': {
    prepare: makeMounted,
    run: ({ manager }, name, context) => done(manager.mountVolume({ name, node: NODE, mountId: 'c2' }, context)),
  },
  'further mount at the agent': {
    prepare: makeMounted,
    run: ({ agent }, name, context) => done(agent.mountVolume({ name, mountId: 'c2' }, context)),
  },
  'global unmount at the manager': {
    prepare: makeMounted,
    run: ({ manager }, name, context) => manager.unmountVolume({ name, node: NODE, mountId: 'c1' }, context),
  },
  'global unmount at the agent': {
    prepare: makeMounted,
    run: ({ agent }, name, context) => agent.unmountVolume({ name, mountId: 'c1' }, context),
  },
  'global remove at the manager': { prepare: makeGlobal, run: ({ manager }, name, context) => manager.removeVolume({ name }, context) },
  'global remove at the agent': { prepare: makeGlobal, run: ({ agent }, name, context) => agent.removeVolume({ name }, context) },
  'global get at the manager': {
    prepare: makeGlobal,
    run: ({ manager }, name, context) => done(manager.getVolume({ name }, context)),
  },
  'global get at the agent': { prepare: makeGlobal, run: ({ agent }, name, context) => done(agent.getVolume({ name }, context)) },
  'get of a mounted one at the agent': {
    run: async ({ agent }, _, context) => {
      const { path } = await agent.getVolume({ name: KEPT.global, node: NODE }, context);
      expectTrue(path !== undefined, 'the path is told');
    },
  },
  'global list at the manager': {
    run: async ({ manager }, _, context) => {
      const { volumes } = await manager.listVolumes({ pageSize: 1_000, filter: { scope: 'global' } }, context);
      expectTrue(
        volumes.some(({ name }) => name === KEPT.global),
        'global volumes are listed',
      );
    },
  },
  'global list at the agent': {
    run: async ({ agent }, _, context) => {
      const { volumes, warnings } = await agent.listVolumes({ pageSize: 1_000, filter: { scope: 'global' } }, context);
      if (volumes.some(({ name }) => name === KEPT.global)) return;
      throw new Warned(warnings.join());
    },
  },
  'explain at the manager': { run: ({ manager }, _, context) => done(manager.explainVolume({ name: KEPT.global }, context)) },
  'explain at the agent': { run: ({ agent }, _, context) => done(agent.explainVolume({ name: KEPT.global }, context)) },
  'watch at the manager': { run: ({ manager }, _, context) => untilSynced(manager, context) },
  'watch at the agent': { run: ({ agent }, _, context) => untilSynced(agent, context) },
};

/** An answer that says itself that it is not whole. */
export class Warned extends Error {}

/** The file behind the mount can be written and read. @throws when it cannot */
export async function usable(path: string): Promise<void> {
  const file = join(path, 'file');
  await writeFile(file, 'text');
  expectTrue((await readFile(file, 'utf8')) === 'text', 'what is written is read');
  await access(path);
}

/** Owned by this node: so that its outage is one of the volume. */
async function makeGlobal({ manager }: Doors, name: string, context: CallContext): Promise<void> {
  await persist(() => manager.createVolume({ name, driver: 'shared', node: NODE }, context));
}

async function makeMounted(doors: Doors, name: string, context: CallContext): Promise<void> {
  await makeGlobal(doors, name, context);
  await persist(() => doors.agent.mountVolume({ name, mountId: 'c1' }, context));
}

async function untilSynced(client: VolplaneClient, context: CallContext): Promise<void> {
  const controller = new AbortController();
  const signal = AbortSignal.any([context.signal, controller.signal]);
  for await (const event of client.watchVolumes({}, { ...context, signal })) if (event.type === 'synced') break;
  controller.abort(new AppError('CANCELLED', 'the watch has shown what is there'));
}

async function done(call: Promise<unknown>): Promise<void> {
  await call;
}

function expectTrue(condition: boolean, what: string): void {
  if (!condition) throw new Error(`it does not hold that ${what}`);
}
