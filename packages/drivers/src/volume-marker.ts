import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { isVolumeName, isVolumeUid, type StringMap, type VolumeName, type VolumeUid } from '@volplane/domain';
import { z } from 'zod';

/** The JSON file beside a volume's data: whose the folder is, and the options it was made with. */
export interface VolumeMarker {
  readonly schema: 1;
  readonly name: VolumeName;
  readonly uid: VolumeUid;
  readonly options: StringMap;
  readonly createdAt: string;
  /** The data was there before the volume and is not deleted with it. */
  readonly adopted?: boolean;
  /** What the driver decided at the create and must know later, whatever its configuration says then. */
  readonly details?: StringMap;
}

export const MARKER_FILE = 'volume.json';

const SCHEMA = z.object({
  schema: z.literal(1),
  name: z.string().refine(isVolumeName),
  uid: z.string().refine(isVolumeUid),
  options: z.record(z.string(), z.string()),
  createdAt: z.string(),
  adopted: z.boolean().exactOptional(),
  details: z.record(z.string(), z.string()).exactOptional(),
});

/** @returns the fault instead of a marker when the text is not one */
export function parseMarker(text: string): VolumeMarker | { readonly fault: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // What V8 says quotes the text, which may hold secrets.
    return { fault: 'it is not JSON' };
  }
  const parsed = SCHEMA.safeParse(value);
  if (parsed.success) return parsed.data;
  return { fault: `field ${parsed.error.issues.map((issue) => issue.path.join('.')).join(', ') || '(whole)'} is wrong` };
}

/** Reads the marker file at `path` without following a link. @throws Node's own error; ELOOP for a link */
export async function readMarker(path: string): Promise<VolumeMarker | { readonly fault: string }> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const buffer = Buffer.alloc(MARKER_BYTES_MAX + 1);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
    if (bytesRead > MARKER_BYTES_MAX) return { fault: `it is larger than ${String(MARKER_BYTES_MAX)} bytes` };
    return parseMarker(buffer.toString('utf8', 0, bytesRead));
  } finally {
    await file.close();
  }
}

/** Options are at most 64 values of 4 KiB with keys of 128 bytes; escapes can double them. */
export const MARKER_BYTES_MAX = 640 * 1024;
