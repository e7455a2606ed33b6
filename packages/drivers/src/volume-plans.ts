import { join } from 'node:path';
import { dataFolderCalls } from './data-folder.js';
import type { FileCall } from './files/file-call.js';
import { planOf, type FilePlan, type Round } from './files/file-plan.js';
import { emptyFolderCalls } from './folder-trash.js';
import { MARKER_BYTES_MAX, MARKER_FILE } from './volume-marker.js';

/** What volume-folders.ts does on files. `name`: of the volume; `staged`, `taken`: the paths of its folder before and after its time. */
export interface VolumePlans {
  /** With the folder that users get. */
  readonly create: FilePlan<'name' | 'staged' | 'marker'>;
  /** The same in two, for what is put into the folder between them. */
  readonly begin: FilePlan<'name' | 'staged'>;
  readonly publish: FilePlan<'name' | 'staged' | 'marker'>;
  readonly remove: FilePlan<'name' | 'uid' | 'taken'>;
  /** Answers the text of the marker. */
  readonly look: FilePlan<'name'>;
}

export const STAGING = '.staging';

export function volumePlans(root: string, options: { readonly keepsTrash: boolean }): VolumePlans {
  const folder = (name: string): string => join(root, name);
  return {
    create: planOf((blank) => {
      const staged = blank('staged');
      const place = folder(blank('name'));
      return [
        beginRound(place, staged),
        { calls: dataFolderCalls(staged) },
        ...publishRounds({ root, place, staged, text: blank('marker') }),
      ];
    }),
    begin: planOf((blank) => [beginRound(folder(blank('name')), blank('staged'))]),
    publish: planOf((blank) => publishRounds({ root, place: folder(blank('name')), staged: blank('staged'), text: blank('marker') })),
    remove: planOf((blank) => {
      const place = folder(blank('name'));
      const taken = blank('taken');
      return [
        {
          calls: [
            { do: 'check-marker', path: join(place, MARKER_FILE), folder: place, name: blank('name'), uid: blank('uid') },
            { do: 'hold-folder', path: root },
            { do: 'move', path: place, to: taken },
          ],
        },
        { calls: [{ do: 'sync-folder', path: root }], step: 'in the trash' },
        { calls: [{ do: 'find-names', path: join(root, STAGING), prefix: `${blank('uid')}-` }] },
        { calls: options.keepsTrash ? [] : emptyFolderCalls(taken) },
      ];
    }),
    look: planOf((blank) => [
      {
        calls: [
          { do: 'check-folder', path: folder(blank('name')) },
          { do: 'read-file', path: join(folder(blank('name')), MARKER_FILE), bytesMax: MARKER_BYTES_MAX },
        ],
      },
    ]),
  };
}

function beginRound(place: string, staged: string): Round {
  const calls: readonly FileCall[] = [
    { do: 'check-absent', path: place },
    { do: 'make-folder', path: staged, mode: FOLDER_MODE },
  ];
  return { calls, step: 'staging folder made' };
}

/**
 * Every sync makes a journaling file system write its journal, and what changes a folder meanwhile waits for that: so a whole
 * convoy writes, then syncs, then moves. A staged folder is never empty, so the move fails on a folder that somebody else put
 * there first.
 */
function publishRounds(of: {
  readonly root: string;
  readonly place: string;
  readonly staged: string;
  readonly text: string;
}): readonly Round[] {
  const { root, place, staged, text } = of;
  const path = join(staged, MARKER_FILE);
  return [
    { calls: [{ do: 'write-file', path, text, mode: MARKER_MODE }] },
    { calls: [{ do: 'sync-file', path }] },
    { calls: [{ do: 'sync-folder', path: staged }], step: 'staged' },
    {
      calls: [
        { do: 'hold-folder', path: root },
        { do: 'move', path: staged, to: place },
      ],
      step: 'published',
    },
    { calls: [{ do: 'sync-folder', path: root }] },
  ];
}

/** As moby's: others may pass through to the data, not look around. */
const FOLDER_MODE = 0o701;
/** Only the owner reads what a daemon stores. */
const MARKER_MODE = 0o600;
