import type { VolumeUid } from '@volplane/domain';

/**
 * The programs that work for drivers (mount, mkfs, cp ...) as far as they outlive the call, or the life of the agent, that started them.
 *
 * Such a program may still act on its volume, so nothing else is begun there until it is gone (rule 18 of docs/ownership.md).
 */
export interface DriverPrograms {
  /** A call of a driver for the volume begins; what is started until its end may work for this volume. @returns ends it */
  begin(uid: VolumeUid): () => void;

  /** Why no call for the volume may be begun, for people: a program that hangs and cannot be ended. Undefined = none does. */
  leftFor(uid: VolumeUid): string | undefined;

  /** Called each time that such programs have gone: what was refused before may be begun. */
  onGone(listener: () => void): void;
}
