import { AppError } from '@volplane/base';
import type { DriverInfo } from '@volplane/domain';
import type { ToolRunner } from '@volplane/host';
import type { DriverVolume, MountRequest, VolumeDriver } from '@volplane/ports';
import { fillCommand, type FenceCommand, type FenceConfig } from './fence-config.js';

/**
 * The driver with a fence: programs of the operator speak to its storage, so that it can be asked for evidence B.
 *
 * The volumes' default policy becomes `storage`. What the storage refuses is the program's word alone.
 *
 * @param context.node - the name of this node, which programs are told
 */
export function withFence(
  inner: VolumeDriver,
  config: FenceConfig,
  context: { readonly run: ToolRunner; readonly node: string },
): VolumeDriver {
  const { fence, admit } = config;
  const call = new FenceCall(context);
  return {
    ...optionalMembers(inner),
    info: fencingInfo(inner.info),
    validate: (options) => inner.validate(options),
    create: (volume, signal) => inner.create(volume, signal),
    remove: (volume, signal) => inner.remove(volume, signal),
    mount: async (volume, request, signal) => {
      if (admit !== undefined) await call.admit(admit, volume, request, signal);
      return await inner.mount(volume, request, signal);
    },
    unmount: (volume, signal) => inner.unmount(volume, signal),
    inspect: (volume, signal) => inner.inspect(volume, signal),
    fence: (volume, signal) => call.fence(fence, volume, signal),
  };
}

class FenceCall {
  readonly #run: ToolRunner;
  readonly #node: string;

  constructor(context: { readonly run: ToolRunner; readonly node: string }) {
    this.#run = context.run;
    this.#node = context.node;
  }

  /** @returns the first line that the program says. @throws AppError DRIVER_FAILED when it fails or says nothing, DRIVER_UNAVAILABLE */
  async fence(command: FenceCommand, volume: DriverVolume, signal: AbortSignal): Promise<string> {
    const { file, args } = fillCommand(command, this.#values(volume));
    const { code, stdout, stderr } = await this.#run({
      file,
      args,
      signal,
      timeoutMs: FENCE_MS_MAX,
      purpose: `fence of volume ${volume.name}`,
    });
    if (code !== 0) throw failed('DRIVER_FAILED', `volume ${volume.name} is not fenced: ${file} ended with ${String(code)}`, stderr);
    const receipt = (stdout.split('\n', 1)[0] ?? '').trim().slice(0, RECEIPT_CHARACTERS_MAX);
    if (receipt !== '') return receipt;
    throw failed('DRIVER_FAILED', `volume ${volume.name} is not fenced: ${file} ended with 0 and wrote no receipt`, stderr);
  }

  /** @throws AppError MOUNT_FAILED when the program says no, DRIVER_UNAVAILABLE */
  async admit(command: FenceCommand, volume: DriverVolume, { mode }: MountRequest, signal: AbortSignal): Promise<void> {
    const { file, args } = fillCommand(command, { ...this.#values(volume), mode });
    const purpose = `admission of volume ${volume.name}`;
    const { code, stderr } = await this.#run({ file, args, signal, timeoutMs: ADMIT_MS_MAX, purpose });
    if (code === 0) return;
    const text = `volume ${volume.name} is not mounted: the storage does not admit epoch ${String(volume.epoch)}, ${file} ended with ${String(code)}`;
    throw failed('MOUNT_FAILED', text, stderr);
  }

  #values({ name, uid, epoch }: DriverVolume): Readonly<Record<string, string>> {
    return { name, uid, epoch: String(epoch), node: this.#node };
  }
}

function fencingInfo(info: DriverInfo): DriverInfo {
  const { capabilities } = info;
  return { ...info, capabilities: { ...capabilities, fence: true, takeover: ['storage', ...capabilities.takeover] } };
}

/** Those that the driver has, for whether it has them is what it can do. */
function optionalMembers(inner: VolumeDriver): Partial<VolumeDriver> {
  return {
    ...(inner.outlivesMachine === undefined ? {} : { outlivesMachine: inner.outlivesMachine }),
    ...(inner.abort && { abort: inner.abort.bind(inner) }),
    ...(inner.abortTarget && { abortTarget: inner.abortTarget.bind(inner) }),
    ...(inner.abortFault && { abortFault: inner.abortFault.bind(inner) }),
    ...(inner.list && { list: inner.list.bind(inner) }),
    ...(inner.expand && { expand: inner.expand.bind(inner) }),
    ...(inner.capacity && { capacity: inner.capacity.bind(inner) }),
    ...(inner.snapshot && { snapshot: inner.snapshot.bind(inner) }),
    ...(inner.removeSnapshot && { removeSnapshot: inner.removeSnapshot.bind(inner) }),
  };
}

function failed(reason: 'DRIVER_FAILED' | 'MOUNT_FAILED', text: string, stderr: string): AppError {
  const said = stderr.slice(0, STDERR_CHARACTERS_MAX);
  return new AppError(reason, said === '' ? text : `${text}: ${said}`);
}

/** Less than the agent and the manager wait for a fence, so that it is known how it ended. */
const FENCE_MS_MAX = 8_000;
const ADMIT_MS_MAX = 10_000;
const RECEIPT_CHARACTERS_MAX = 200;
/** Enough to tell the cause in a refusal. */
const STDERR_CHARACTERS_MAX = 300;
