import type { StringMap, VolumeView } from '@volplane/domain';

/** What this door writes into the labels of the volumes that it makes, under one prefix; all else is the user's. */
export const LABELS = {
  /** The name that the caller gave, when the volume's own differs. */
  name: 'volplane.csi/name',
  /** What it was made from: `snapshot <id>` or `volume <id>`. */
  source: 'volplane.csi/source',
  /** The node labels that its storage class bound it to: `zone=a,rack=7`. */
  topology: 'volplane.csi/topology',
} as const;

/** How the volume differs from what is wanted in what the door wrote, in words; undefined = not at all. */
export function labelDifference(view: VolumeView, wanted: StringMap): string | undefined {
  for (const key of Object.values(LABELS)) {
    const present = view.labels[key];
    if (present !== wanted[key]) return `${key} is ${present ?? 'not set'}, asked for ${wanted[key] ?? 'none'}`;
  }
  return undefined;
}
