import type { Scope } from '@volplane/domain';
import { z } from 'zod';

/** Deep nesting and long texts of a plugin's own are dropped when shown, not here: a status may be anything. */
const volume = z.object({
  name: z.string().max(4096),
  mountpoint: z.string().max(4096).nullish(),
  createdat: z.string().max(100).nullish(),
  status: z.record(z.string(), z.unknown()).nullish(),
});

/** What each call answers, with its keys in lower case. */
export const PLUGIN_ANSWERS = {
  'Plugin.Activate': z.object({ implements: z.array(z.string().max(100)).max(100), volplane: z.unknown().optional() }),
  'VolumeDriver.Capabilities': z.object({ capabilities: z.object({ scope: z.unknown().optional() }).nullish() }),
  'VolumeDriver.Create': z.object({}),
  'VolumeDriver.Remove': z.object({}),
  'VolumeDriver.Mount': z.object({ mountpoint: z.string().max(4096).nullish() }),
  'VolumeDriver.Unmount': z.object({}),
  'VolumeDriver.Path': z.object({ mountpoint: z.string().max(4096).nullish() }),
  'VolumeDriver.Get': z.object({ volume: volume.nullish() }),
  'VolumeDriver.List': z.object({ volumes: z.array(volume).max(100_000).nullish() }),
} as const;

export type PluginMethod = keyof typeof PLUGIN_ANSWERS;
export type PluginAnswers = { readonly [M in PluginMethod]: z.infer<(typeof PLUGIN_ANSWERS)[M]> };
export type PluginVolume = z.infer<typeof volume>;

export function parseScope(value: unknown): Scope {
  return typeof value === 'string' && value.toLowerCase() === 'global' ? 'global' : 'local';
}
