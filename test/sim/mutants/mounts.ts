import { inFile, type Mutant } from './mutant.js';

const LEASE_GUARD = inFile('packages/engine/src/agent/lease-guard.ts');
const ARMED_MOUNTS = inFile('packages/host/src/guardian/armed-mounts.ts');
const GLOBAL_MOUNTS = inFile('packages/engine/src/agent/global-mounts.ts');
const FAKE_KERNEL = inFile('packages/testkit/src/fakes/fake-kernel.ts');
const ROUTED_MOUNTS = inFile('packages/engine/src/agent/routed-mounts.ts');
const AGENT = inFile('packages/engine/src/agent/agent.ts');
const TAKEOVER = inFile('packages/domain/src/takeover.ts');

/** Guards of mounts, their ids, and the guardian. */
export const GUARDS_OF_MOUNTS: readonly Mutant[] = [
  {
    name: 'arm-first',
    rule: '6: arm, then mount',
    shownBy: 'seeds',
    seeds: 30,
    mix: 'deaths',
    edits: [
      LEASE_GUARD(
        `await this.#arm(guardian, driver, volume);
    return await guardian.gate(volume.uid, MOUNT_MS_MAX, mount);`,
        `const path = await mount();
    await this.#arm(guardian, driver, volume);
    return path;`,
      ),
    ],
  },
  {
    name: 'gate',
    rule: '7: the mount call is made under the gate',
    shownBy: 'seeds',
    seeds: 80,
    mix: 'gaps',
    edits: [LEASE_GUARD('await guardian.gate(volume.uid, MOUNT_MS_MAX, mount)', 'await mount()')],
  },
  {
    name: 'guardian',
    rule: '6: the guardian aborts at the deadline',
    shownBy: 'seeds',
    seeds: 40,
    edits: [ARMED_MOUNTS('mount.deadlineMs <= nowMs && (mount.gateUntilMs ?? 0) <= nowMs', 'mount.deadlineMs < 0 && nowMs < 0')],
  },
  {
    name: 'rearm',
    rule: '6: a restarted agent arms what it finds unarmed',
    shownBy: 'nothing',
    seeds: 140,
    why: 'before a node is called guarded again, all of its lease-bound mounts are armed (rule 20)',
    edits: [GLOBAL_MOUNTS('await this.#guard.rearm(driver, volume, record);', '')],
  },
  {
    name: 'abort-not-unmount',
    rule: 'C: a mount is cut off, not only taken out of the tree',
    shownBy: 'seeds',
    seeds: 40,
    edits: [
      FAKE_KERNEL(
        `mount.usable = false;
    this.#mounts.delete(path);`,
        'this.#mounts.delete(path);',
      ),
    ],
  },
  {
    name: 'request-once',
    rule: '8: a routed mount is begun once, however often its message comes',
    shownBy: 'seeds',
    seeds: 40,
    mix: 'users',
    edits: [ROUTED_MOUNTS('if (begun !== undefined) return await begun.answer;', '')],
  },
  {
    name: 'request-lifetime',
    rule: '8: a routed mount that comes too late is refused',
    shownBy: 'seeds',
    seeds: 60,
    mix: 'users',
    edits: [ROUTED_MOUNTS('this.#beat() > untilBeat', 'this.#beat() < 0')],
  },
  {
    name: 'usable-answer',
    rule: '9: a repeated mount is answered OK only if usable',
    shownBy: 'seeds',
    seeds: 40,
    edits: [GLOBAL_MOUNTS('inspection.mounted?.usable !== true || record.path === undefined', 'record.path === undefined')],
  },
  {
    name: 'unmount-seq',
    rule: '10: an unmount names the claim that it ends',
    shownBy: 'seeds',
    seeds: 30,
    mix: 'returns',
    edits: [GLOBAL_MOUNTS('(seq !== undefined && record.seq !== seq) || ', '')],
  },
  {
    name: 'ids-a-set',
    rule: '14: mount ids are a set, not a count',
    shownBy: 'seeds',
    seeds: 40,
    edits: [
      GLOBAL_MOUNTS(' || !record.mountIds.includes(mountId)) return;', ') return;'),
      GLOBAL_MOUNTS('record.mountIds.filter((id) => id !== mountId);', 'record.mountIds.slice(1);'),
    ],
  },
  {
    name: 'ids-durable',
    rule: '14: a mount id is durable before its answer',
    shownBy: 'seeds',
    seeds: 20,
    edits: [
      GLOBAL_MOUNTS(
        'await this.#book.keep({ mounts: { [record.name]: { ...record, mountIds: [...record.mountIds, wish.mountId] } } });',
        '',
      ),
    ],
  },
  {
    name: 'one-at-a-time',
    rule: '14: one operation for a volume at a time',
    shownBy: 'seeds',
    seeds: 40,
    edits: [
      GLOBAL_MOUNTS(
        'return this.queue.run(wish.name, async () => {',
        'return this.queue.run(`${wish.name} ${wish.mountId}`, async () => {',
      ),
    ],
  },
  {
    name: 'unmount-first',
    rule: '14: the release is owed only after the kernel unmount',
    shownBy: 'seeds',
    seeds: 40,
    edits: [
      GLOBAL_MOUNTS(
        'await this.#drivers.run(`unmount of volume ${name}`, volume.uid, DRIVER_MS.unmount, (signal) => driver.unmount(volume, signal));',
        'this.#drivers.run(`unmount of volume ${name}`, volume.uid, DRIVER_MS.unmount, (signal) => driver.unmount(volume, signal)).catch(() => undefined);',
      ),
    ],
  },
  {
    name: 'recover-void',
    rule: '14: a mount that a restart found gone is void before it is released',
    shownBy: 'seeds',
    seeds: 40,
    mix: 'takeovers',
    edits: [
      GLOBAL_MOUNTS("const ended: MountRecord = { ...record, state: 'aborted', mountIds: [] };", 'const ended: MountRecord = record;'),
    ],
  },
  {
    name: 'self-abort',
    rule: '19: an agent aborts lease-bound mounts itself',
    shownBy: 'seeds',
    seeds: 60,
    mix: 'deaths',
    edits: [AGENT('mounts.abortLeaseBound().catch', 'Promise.resolve().catch')],
  },
  {
    name: 'unguarded-mark',
    rule: '20: no takeover from a node that is marked unguarded',
    shownBy: 'seeds',
    seeds: 30,
    mix: 'deaths',
    edits: [
      TAKEOVER('if (view.unguarded(node)) return undefined;', ''),
      TAKEOVER("requirements: [gone, { type: 'guarded', node }]", 'requirements: [gone]'),
    ],
  },
];
