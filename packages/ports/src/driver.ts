import type { DriverInfo, MountMode, StringMap, VolumeName, VolumeUid } from '@volplane/domain';

/**
 * Creates and mounts volumes of one kind on one node. The agent calls it; managers never do.
 *
 * The agent calls at most one method at a time for one volume uid, keeps the mount ids, the epochs and the outcome of
 * operations, and calls `mount` once before the first id and `unmount` once after the last. A driver keeps no state
 * of its own beyond its storage and the kernel's mount table, and keys what it stores by the volume's uid.
 * Every method may be called again with the same volume after a crash at any point. Unknown outcomes do not exist at
 * this boundary: a method that rejects with DRIVER_FAILED promises that nothing was left behind; any other
 * rejection means that the agent asks again or looks.
 * Secrets (passwords, keys) come from files named in options and never appear in errors or status.
 *
 * The proof of an implementation is `driverContract` in testkit.
 */
export interface VolumeDriver {
  readonly info: DriverInfo;

  /** A mount leaves something behind when the machine ends, such as a disk that a plugin attached; only an unmount takes it away. */
  readonly outlivesMachine?: boolean;

  /**
   * Checks options before anything is recorded. No I/O beyond the driver's own configuration.
   *
   * @returns a promise so that hosted plugins can answer late; built-in drivers resolve at once
   * @throws AppError INVALID_OPTION naming the option
   */
  validate(options: StringMap): Promise<void>;

  /**
   * Makes the volume exist. Again with the same uid: fine. The place taken by another uid or by foreign data: refused.
   *
   * @throws AppError FOREIGN_DATA, NO_CAPACITY, DRIVER_FAILED, DRIVER_UNAVAILABLE
   */
  create(volume: DriverVolume, signal: AbortSignal): Promise<void>;

  /**
   * Destroys the volume's data, only if it carries this uid; gone already or never made: fine. Never follows a link
   * out of its place. @throws AppError DRIVER_FAILED, DRIVER_UNAVAILABLE
   */
  remove(volume: DriverVolume, signal: AbortSignal): Promise<void>;

  /**
   * Makes the volume usable at a path of this node; mounted already: the same path. `ro` must reach the mount itself
   * where the driver mounts anything.
   *
   * @returns the absolute path to hand to users
   * @throws AppError MOUNT_FAILED (nothing mounted), FOREIGN_DATA, DRIVER_UNAVAILABLE
   */
  mount(volume: DriverVolume, request: MountRequest, signal: AbortSignal): Promise<string>;

  /** Ends the mount; not mounted: fine. @throws AppError DRIVER_FAILED when it is still mounted (busy) */
  unmount(volume: DriverVolume, signal: AbortSignal): Promise<void>;

  /** What is the case on this node now, read from the storage and the kernel, never from memory. @throws AppError DRIVER_UNAVAILABLE */
  inspect(volume: DriverVolume, signal: AbortSignal): Promise<DriverInspection>;

  /**
   * Cuts off every descriptor of the mount at once, also of processes that go on writing, then detaches it.
   * Present exactly when `info.capabilities.abort`; {@link abortTarget} narrows it for one volume.
   */
  abort?(volume: DriverVolume): Promise<void>;

  /**
   * Where the volume's mount will be, or is, and how it is cut off; known before it is mounted, for the guardian that is armed
   * first. Absent result = this one volume cannot be aborted. Present exactly when `info.capabilities.abort`.
   */
  abortTarget?(volume: DriverVolume): Promise<{ readonly path: string; readonly method: 'shutdown' | 'fuse' } | undefined>;

  /**
   * Why no mount of a volume with these options can ever be aborted, with what to choose instead; undefined = one can be, where it is
   * as it should be. Asked at the create of a volume with the takeover policy `lease`, which is refused then and not at its first mount.
   * No I/O. Absent = as the capability says.
   */
  abortFault?(options: StringMap): string | undefined;

  /**
   * Makes the storage refuse writes with an epoch lower than `volume.epoch`, from any node.
   * Present exactly when `info.capabilities.fence`.
   *
   * @returns a receipt for people, stored as evidence B, at most 200 characters
   */
  fence?(volume: DriverVolume, signal: AbortSignal): Promise<string>;

  /** Volumes that exist on this node's storage, for adoption and orphan lists; at most `limit`. */
  list?(limit: number, signal: AbortSignal): Promise<readonly FoundVolume[]>;

  /** Present exactly when `info.capabilities.expand`. Never shrinks. @returns the real size in bytes. */
  expand?(volume: DriverVolume, sizeBytes: number, signal: AbortSignal): Promise<number>;

  /**
   * What the storage of this node has room for, in bytes; thin storage may promise more than it has.
   * Present exactly when `info.capabilities.size`. @throws AppError DRIVER_UNAVAILABLE
   */
  capacity?(
    signal: AbortSignal,
  ): Promise<{ readonly availableBytes: number; readonly volumeBytesMax?: number; readonly volumeBytesMin?: number }>;

  /** Present exactly when `info.capabilities.snapshot`; the same name again is fine. @returns size in bytes. */
  snapshot?(volume: DriverVolume, snapshot: string, signal: AbortSignal): Promise<number>;
  removeSnapshot?(volume: DriverVolume, snapshot: string, signal: AbortSignal): Promise<void>;
}

/** The volume as a driver sees it. */
export interface DriverVolume {
  readonly name: VolumeName;
  readonly uid: VolumeUid;
  readonly options: StringMap;
  /** The highest epoch that this node knows for the uid; 0 for local volumes. */
  readonly epoch: number;
  readonly sizeBytes?: number;
  /** Clone from this source at creation; only with the capability `clone`. */
  readonly source?: { readonly uid: VolumeUid; readonly name: VolumeName; readonly snapshot?: string };
}

export interface MountRequest {
  readonly mode: MountMode;
}

export interface DriverInspection {
  /** `absent` is a positive not-found; a driver that cannot tell throws. `foreign`: the place holds another uid or foreign data. */
  readonly existence: 'present' | 'absent' | 'foreign';
  /** The path and mode when the kernel has it mounted, or, for drivers that mount nothing, when it exists. */
  readonly mounted?: { readonly path: string; readonly usable: boolean };
  readonly createdAt?: string;
  /** Facts for people, without secrets. */
  readonly status: StringMap;
}

export interface FoundVolume {
  readonly name: VolumeName;
  readonly uid?: VolumeUid;
  readonly options: StringMap;
  readonly createdAt?: string;
}
