import type { StringMap, VolumeName, VolumeUid } from '@volplane/domain';
import type { DriverVolume, VolumeDriver } from '@volplane/ports';

/** The storage and the kernel under one driver, and what a test can see of them beside the driver. */
export interface DriverWorld {
  /**
   * A driver over this storage: each call is one more life of an agent.
   *
   * @param onStep - awaited by the driver between its effects; a promise that never settles is a crash right there
   */
  driver(onStep?: (step: string) => Promise<void>): VolumeDriver;
  /** Options of an ordinary volume. */
  readonly options: StringMap;
  /** Each must be refused with INVALID_OPTION. */
  readonly badOptions: readonly StringMap[];
  /** Size to create with, for drivers that need one. */
  readonly sizeBytes?: number;
  /** `ro` reaches the mount here. */
  readonly readOnlyEnforced: boolean;
  /** The kernel keeps count of users, so that unmount of a used volume is refused. */
  readonly busyRefused: boolean;
  /** A volume that was aborted can be mounted anew while a process still has the old one open. Absent = true. */
  readonly remountsWhileAborted?: boolean;
  /** A mounted volume can be expanded. Absent = true. */
  readonly expandsWhileMounted?: boolean;
  /** The volume's data goes with it. False for what was there before the volume. */
  readonly erasesData: boolean;
  /** Volumes of one name and different uids live side by side, so no place can be taken by another. Absent: a name is one place. */
  readonly keyedByUid?: true;
  readonly files: DriverWorldFiles;
  /** Puts something of a stranger where this volume would live. */
  putForeign(volume: DriverVolume): Promise<void>;
  hasForeign(volume: DriverVolume): Promise<boolean>;
  /** Puts a symbolic link to a folder outside, with a file in it, where the volume would live. Absent: links do not exist here. */
  putLink?(volume: DriverVolume): Promise<{ isOutsideUntouched(): Promise<boolean> }>;
  /** What the driver must not leave behind when no volume is mounted (mounts, loop devices); empty = none. */
  leaks(): Promise<readonly string[]>;
  end(): Promise<void>;
}

/** Files of a mounted volume, as its users see them. */
export interface DriverWorldFiles {
  /** @returns false when the write was refused */
  write(path: string, file: string, text: string): Promise<boolean>;
  /** @returns undefined when there is no such file */
  read(path: string, file: string): Promise<string | undefined>;
  /** Keeps a file open for writing. */
  hold(path: string, file: string): Promise<{ write(text: string): Promise<boolean>; close(): Promise<void> }>;
}

export function contractVolume(world: Pick<DriverWorld, 'options' | 'sizeBytes'>, fields: Partial<DriverVolume> = {}): DriverVolume {
  return {
    name: 'data.1' as VolumeName,
    uid: contractUid(1),
    options: world.options,
    epoch: 1,
    ...(world.sizeBytes === undefined ? {} : { sizeBytes: world.sizeBytes }),
    ...fields,
  };
}

export function contractUid(index: number): VolumeUid {
  return index.toString(16).padStart(32, '0') as VolumeUid;
}
