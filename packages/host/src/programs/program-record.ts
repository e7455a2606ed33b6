import type { VolumeUid } from '@volplane/domain';
import { z } from 'zod';

/** What the disk knows of a program that runs, or ran when the agent was killed. */
export interface ProgramRecord {
  /** Also the name of its file and its mark: the value of {@link MARK_VARIABLE} in all that it starts. */
  readonly id: string;
  /** What it is about, for people. */
  readonly purpose: string;
  /** Whose it may be; empty: of none that anybody has to wait for. Undefined: of any. */
  readonly volumes?: readonly VolumeUid[] | undefined;
  /** The start of the machine; another one: the program is gone with the one before. */
  readonly boot?: string | undefined;
  /** Undefined when the agent was killed between starting it and writing this down. */
  readonly leader?: { readonly pid: number; readonly startTicks: number } | undefined;
}

export const MARK_VARIABLE = 'VOLPLANE_PROGRAM';

/** Two lines: what is known before the program starts, and who it is. Each is one write, which a kill of the writer cannot tear. */
export function encodeIntent({ purpose, volumes, boot }: Omit<ProgramRecord, 'id' | 'leader'>): string {
  return `${JSON.stringify({ purpose: purpose.slice(0, PURPOSE_MAX), volumes: (volumes?.length ?? 0) > VOLUMES_MAX ? undefined : volumes, boot })}\n`;
}

export function encodeLeader({ pid, startTicks }: { readonly pid: number; readonly startTicks: number }): string {
  return `${JSON.stringify({ leader: { pid, startTicks } })}\n`;
}

/** What cannot be read says less, and then more is assumed. */
export function parseRecord(id: string, text: string): ProgramRecord {
  const [intent, leader] = text.split('\n').map((line) => parseLine(line));
  return { purpose: 'a program', ...intent, ...leader, id };
}

function parseLine(line: string): z.infer<typeof lineSchema> {
  try {
    return lineSchema.parse(JSON.parse(line));
  } catch {
    // Torn, or not ours: as if it had not been written.
    return {};
  }
}

const lineSchema = z.object({
  purpose: z.string().exactOptional(),
  // Compared only, so a text that is no uid matches none.
  volumes: z.array(z.custom<VolumeUid>((value) => typeof value === 'string')).exactOptional(),
  boot: z.string().exactOptional(),
  leader: z.object({ pid: z.number().int().positive(), startTicks: z.number() }).exactOptional(),
});

/** With {@link VOLUMES_MAX} uids and JSON around them a record stays below a page. */
const PURPOSE_MAX = 500;
/** More than that at one moment: whose it is is not written down, and all wait for it. */
const VOLUMES_MAX = 64;
