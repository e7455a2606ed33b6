import type { MountMode } from '@volplane/domain';
import type { DriverVolume, FoundVolume } from '@volplane/ports';
import type { Place } from '../volume-folders.js';

/** How volumes lie on their file systems; the driver around it owns the mounts at `<mountRoot>/<uid>`. */
export interface MountLayout {
  /** True when the mount of a volume is a bind of a bigger one. */
  readonly isBind: boolean;
  look(volume: DriverVolume, signal: AbortSignal): Promise<Place>;
  create(volume: DriverVolume, signal: AbortSignal): Promise<void>;
  /** Nothing of the volume is mounted at its target. */
  remove(volume: DriverVolume, signal: AbortSignal): Promise<void>;
  /** Mounts at `target`, an empty folder; leaves nothing mounted when it rejects. {@link check} follows. */
  mount(volume: DriverVolume, request: { readonly target: string; readonly mode: MountMode }, signal: AbortSignal): Promise<void>;
  /** Makes sure that what is mounted at `target` is this volume. @throws AppError FOREIGN_DATA */
  check(volume: DriverVolume, target: string): Promise<void>;
  /** After the unmount: a device whose file system users in another mount namespace still have. Undefined: none, or nobody can tell. */
  heldDevice(volume: DriverVolume): Promise<string | undefined>;
  /** Ends what a crash may have left mounted beside the target. */
  sweep(volume: DriverVolume, signal: AbortSignal): Promise<void>;
  /** Cuts off what {@link sweep} would unmount. */
  abort(volume: DriverVolume): Promise<void>;
  list?(limit: number, signal: AbortSignal): Promise<readonly FoundVolume[]>;
}
