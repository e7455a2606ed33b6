import type { MountView } from '@volplane/domain';
import { counter, mountMode, nodeName } from '@volplane/wire';
import { z } from 'zod';

/** What an agent answers to a routed mount. */
export const mountAnswer: z.ZodType<MountView> = z.object({
  path: z.string().min(1),
  node: nodeName,
  mode: mountMode,
  epoch: counter,
  seq: counter,
});
