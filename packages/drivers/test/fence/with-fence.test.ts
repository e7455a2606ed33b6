import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '@volplane/base';
import type { ToolCall, ToolOutcome } from '@volplane/host';
import { contractVolume, driverContract, makeTestFolder, rejection, type DriverWorld, type TestFolder } from '@volplane/testkit';
import type { VolumeDriver } from '@volplane/ports';
import { expect } from 'chai';
import type { FenceConfig } from '../../src/fence/fence-config.js';
import { withFence } from '../../src/fence/with-fence.js';
import { SharedDriver } from '../../src/shared/shared-driver.js';
import { realContext } from '../support/context.js';
import { folderWorld } from '../support/folder-world.js';
import { realFiles } from '../support/real-files.js';

const CALM = new AbortController().signal;
const volume = contractVolume({ options: {} }, { epoch: 4 });

/** A storage's own program: it remembers the highest fence of each volume, and which epoch was admitted last. */
const STORAGE_PROGRAM = `#!/bin/sh
state="$2/state-$3"
fenced=$(cat "$state" 2>/dev/null || echo 0)
if [ "$1" = fence ]; then
  if [ "$4" -gt "$fenced" ]; then fenced=$4; echo "$fenced" > "$state"; fi
  echo "epochs below $fenced are refused"
  echo 'a line for nobody'
elif [ "$4" -lt "$fenced" ]; then
  echo "epoch $4 is over: $fenced" >&2
  exit 1
else
  echo "$3 $4" > "$2/admitted"
fi
`;

driverContract('shared, fenced by programs of the operator', async () => {
  let place = '';
  const world = await folderWorld({
    driver: (context, folder) => {
      const program = join(folder.path, 'program');
      return withFence(sharedDriver(folder, context), commands(program, folder.path), { run: context.run, node: 'n1' });
    },
    place: (folder, name) => join(folder.path, 'volumes', name),
    prepare: async (folder) => {
      place = folder.path;
      await writeProgram(folder, STORAGE_PROGRAM);
    },
    options: () => ({}),
    badOptions: [{ typo: 'x' }],
    context: { mayMount: false },
    traits: { readOnlyEnforced: false, busyRefused: false, erasesData: true },
  });
  return { ...world, files: checkedFiles(() => place) };
});

describe('a driver with a fence', () => {
  let folder: TestFolder;
  const calls: ToolCall[] = [];

  beforeEach(async () => {
    folder = await makeTestFolder();
    calls.length = 0;
  });

  afterEach(async () => {
    await folder.remove();
  });

  const answering = (outcome: Partial<ToolOutcome> | AppError, config: Partial<FenceConfig> = {}): VolumeDriver =>
    withFence(
      sharedDriver(folder),
      { fence: ['/sbin/fence', '--volume={name}/{uid}', '{epoch}', '{node}'], ...config },
      {
        run: async (call) => {
          calls.push(call);
          if (outcome instanceof AppError) throw outcome;
          return { code: 0, stdout: '', stderr: '', ...outcome };
        },
        node: 'n7',
      },
    );
  const fence = async (driver: VolumeDriver): Promise<string> => (await driver.fence?.(volume, CALM)) ?? 'no fence';

  it('declares it, and has its volumes taken over on the word of the storage by default', () => {
    const { capabilities } = answering({}).info;
    expect(capabilities).to.include({ fence: true });
    expect(capabilities.takeover).to.deep.equal(['storage', 'manual']);
  });

  it('has everything that the driver without it has', () => {
    const nothing = (): Promise<never> => Promise.reject(new Error('not called'));
    // Required: a member that the port gets is missing here until somebody thinks of it.
    const whole: Required<VolumeDriver> = {
      info: sharedDriver(folder).info,
      outlivesMachine: true,
      validate: nothing,
      create: nothing,
      remove: nothing,
      mount: nothing,
      unmount: nothing,
      inspect: nothing,
      abort: nothing,
      abortTarget: nothing,
      abortFault: () => undefined,
      fence: nothing,
      list: nothing,
      expand: nothing,
      capacity: nothing,
      snapshot: nothing,
      removeSnapshot: nothing,
    };
    const fenced = withFence(whole, { fence: ['/sbin/fence', '{epoch}'] }, { run: nothing, node: 'n1' });
    expect(Object.keys(fenced).sort()).to.deep.equal(Object.keys(whole).sort());
    expect(fenced.outlivesMachine).to.equal(true);
  });

  it('tells the program the volume, the epoch and the node, and takes its first line as the receipt', async () => {
    expect(await fence(answering({ stdout: ' array 4: key 0x4 preempted \nmore\n' }))).to.equal('array 4: key 0x4 preempted');
    expect(calls.map(({ file, args }) => [file, ...args])).to.deep.equal([['/sbin/fence', `--volume=data.1/${volume.uid}`, '4', 'n7']]);
    expect((await fence(answering({ stdout: 'x'.repeat(1_000) }))).length).to.equal(200);
  });

  it('gives no receipt when the program fails, and says how', async () => {
    const error = await rejection(fence(answering({ code: 3, stdout: 'fine', stderr: 'array is locked' })));
    expect(error.reason).to.equal('DRIVER_FAILED');
    expect(error.message).to.contain('/sbin/fence ended with 3: array is locked');
  });

  it('gives no receipt when the program says nothing', async () => {
    expect((await rejection(fence(answering({ stdout: '\nsecond line' })))).message).to.contain('wrote no receipt');
  });

  it('gives no receipt when the program does not end, or is not there', async () => {
    const late = new AppError('DEADLINE_EXCEEDED', 'fence of volume data.1: /sbin/fence did not end within 8000 ms');
    expect((await rejection(fence(answering(late)))).message).to.contain('did not end');
    expect(calls[0]?.timeoutMs).to.be.below(9_000);
    const missing = withFence(sharedDriver(folder), { fence: [join(folder.path, 'none'), '{epoch}'] }, { ...realContext(), node: 'n1' });
    expect((await rejection(fence(missing))).reason).to.equal('DRIVER_UNAVAILABLE');
  });

  it('asks the storage before each mount where it is told to, and does not mount what it does not admit', async () => {
    const admit = ['/sbin/admit', '{uid}', '{epoch}', '{mode}', '{node}'];
    const driver = answering({ code: 1, stderr: 'epoch 4 is over' }, { admit });
    await driver.create(volume, CALM);
    const error = await rejection(driver.mount(volume, { mode: 'ro' }, CALM));
    expect(error.reason).to.equal('MOUNT_FAILED');
    expect(error.message).to.contain('epoch 4 is over');
    expect(calls.map(({ args }) => args)).to.deep.equal([[volume.uid, '4', 'ro', 'n7']]);
    expect(await answering({}, { admit }).mount(volume, { mode: 'ro' }, CALM)).to.contain('data.1');
  });
});

function sharedDriver(folder: TestFolder, context = realContext({ mayMount: false })): SharedDriver {
  const root = join(folder.path, 'volumes');
  return new SharedDriver(context, { name: 'shared', root, accessModes: ['single-node-writer'], trashKeepMs: 0, ownMounts: false });
}

function commands(program: string, state: string): FenceConfig {
  return { fence: [program, 'fence', state, '{uid}', '{epoch}'], admit: [program, 'admit', state, '{uid}', '{epoch}'] };
}

async function writeProgram(folder: TestFolder, text: string): Promise<void> {
  const file = join(folder.path, 'program');
  await writeFile(file, text);
  await chmod(file, 0o755);
}

/** Files of a storage that checks with every write whether the epoch of its mount is still one that it takes. */
function checkedFiles(place: () => string): DriverWorld['files'] {
  const mounted = async (): Promise<() => Promise<boolean>> => {
    const [uid = '', epoch = ''] = (await readFile(join(place(), 'admitted'), 'utf8')).trim().split(' ');
    return async () => Number(epoch) >= Number(await readFile(join(place(), `state-${uid}`), 'utf8').catch(() => '0'));
  };
  return {
    read: (path, file) => realFiles.read(path, file),
    write: async (path, file, text) => (await (await mounted())()) && (await realFiles.write(path, file, text)),
    hold: async (path, file) => {
      const isTaken = await mounted();
      const held = await realFiles.hold(path, file);
      return { write: async (text) => (await isTaken()) && (await held.write(text)), close: () => held.close() };
    },
  };
}
