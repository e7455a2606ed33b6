// Plain JavaScript, because threads of Node 20 have no loader for TypeScript: the same file runs from src and from dist.
import {
  chmodSync,
  closeSync,
  constants,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';

/**
 * What a FileThread runs: takes convoys of scripts, as JSON, and carries them out with synchronous calls.
 *
 * @typedef {import('./file-call.js').FileCall} FileCall
 * @typedef {import('./file-call.js').FileScript} FileScript
 * @typedef {import('./file-call.js').FileFault} FileFault
 * @typedef {Readonly<Record<string, string>> | undefined} Values
 * @typedef {(text: string) => string} Fill - puts values into the blanks of a text
 */
parentPort?.on('message', (/** @type {string} */ convoy) => {
  const outcomes = JSON.stringify(travel(JSON.parse(convoy)));
  const isAtWork = /** @type {Int32Array} */ (workerData);
  Atomics.store(isAtWork, 0, 0);
  Atomics.notify(isAtWork, 0);
  parentPort?.postMessage(outcomes);
});

/**
 * Round by round: everybody's first round, then everybody's second. A script that fails ends alone.
 *
 * @param {{ scripts: FileScript[], runs: { script: number, values?: Values }[] }} convoy - as file-thread.ts writes it
 */
function travel({ scripts, runs }) {
  const outcomes = runs.map(() => ({ values: /** @type {string[]} */ ([]), fault: /** @type {FileFault | undefined} */ (undefined) }));
  const cutTexts = new Map();
  const fills = runs.map(({ values }) => fillOf(values, cutTexts));
  const rounds = Math.max(0, ...scripts.map((script) => script.length));
  const held = new Map();
  try {
    for (let round = 0; round < rounds; round += 1) {
      const shared = new Map();
      for (let index = 0; index < runs.length; index += 1) {
        const outcome = outcomes[index];
        const fill = fills[index];
        const calls = scripts[runs[index]?.script ?? 0]?.[round];
        if (outcome === undefined || outcome.fault !== undefined || fill === undefined || calls === undefined) continue;
        try {
          for (const call of calls) {
            const value = carryOut(call, fill, { shared, held });
            if (value !== undefined) outcome.values.push(value);
          }
        } catch (error) {
          outcome.fault = toFault(error, round);
        }
      }
    }
  } finally {
    for (const folder of held.values()) closeSync(folder);
  }
  return outcomes;
}

/**
 * @param {Values} values
 * @param {Map<string, string[]>} cutTexts - what was seen in this convoy: constants at the even places, names of blanks between them
 * @returns {Fill}
 */
function fillOf(values, cutTexts) {
  if (values === undefined) return (text) => text;
  return (text) => {
    const parts = cutTexts.get(text) ?? text.split('\0');
    cutTexts.set(text, parts);
    let whole = parts[0] ?? '';
    for (let at = 1; at < parts.length; at += 2) {
      const value = values[parts[at] ?? ''];
      // Else the path would be another one.
      if (value === undefined) throw Object.assign(new Error(`EINVAL: no value for '${parts[at]}'`), { code: 'EINVAL' });
      whole += value + parts[at + 1];
    }
    return whole;
  };
}

/**
 * @param {FileCall} call
 * @param {Fill} fill
 * @param {{ shared: Map<string, unknown>, held: Map<string, number> }} convoy - what this round has done for all, and the open folders
 * @returns {string | undefined}
 */
function carryOut(call, fill, { shared, held }) {
  const path = fill(call.path);
  switch (call.do) {
    case 'check-absent':
      if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) throw fault('EEXIST', 'something is there', { do: call.do, path });
      return undefined;
    case 'check-folder': {
      const kind = kindOf(path);
      if (kind !== 'folder') throw fault(kind === 'absent' ? 'ENOENT' : 'ENOTDIR', kind, { do: call.do, path });
      return undefined;
    }
    case 'check-marker':
      if (
        kindOf(fill(call.folder)) !== 'folder' ||
        !isMarkerOf(readText(path, MARKER_BYTES_MAX, call.do), { name: fill(call.name), uid: fill(call.uid) })
      )
        throw fault('EMARKER', 'not the marker of this volume', { do: call.do, path });
      return undefined;
    case 'make-folder':
      mkdirSync(path, { mode: call.mode, recursive: call.recursive ?? false });
      return undefined;
    case 'set-mode':
      chmodSync(path, call.mode);
      return undefined;
    case 'write-file':
      writeFile(path, { text: fill(call.text), mode: call.mode });
      return undefined;
    case 'hold-folder':
      if (!held.has(path)) held.set(path, openSync(path, constants.O_RDONLY | constants.O_DIRECTORY));
      return undefined;
    case 'sync-file':
    case 'sync-folder':
      once(shared, `sync ${path}`, () => {
        const folder = held.get(path);
        if (folder === undefined) sync(path, call.do === 'sync-file' ? constants.O_NOFOLLOW : constants.O_DIRECTORY);
        else fsyncSync(folder);
      });
      return undefined;
    case 'move':
      renameSync(path, fill(call.to));
      return undefined;
    case 'remove-file':
      unlinkSync(path);
      return undefined;
    case 'remove-folder':
      rmdirSync(path);
      return undefined;
    case 'remove-tree':
      rmSync(path, { recursive: true, force: true });
      return undefined;
    case 'read-file':
      return readText(path, call.bytesMax, call.do);
    case 'find-names': {
      const prefix = fill(call.prefix);
      return once(shared, `names ${path}`, () => namesIn(path))
        .filter((name) => name.startsWith(prefix))
        .join('\n');
    }
  }
}

/**
 * What fails once fails for all who share it.
 *
 * @template T
 * @param {Map<string, unknown>} shared
 * @param {string} key
 * @param {() => T} work
 * @returns {T}
 */
function once(shared, key, work) {
  const before = /** @type {{ value: T } | { error: unknown } | undefined} */ (shared.get(key));
  if (before !== undefined) {
    if ('error' in before) throw before.error;
    return before.value;
  }
  try {
    const value = work();
    shared.set(key, { value });
    return value;
  } catch (error) {
    shared.set(key, { error });
    throw error;
  }
}

/**
 * ext4 gives a file its block when it is written out, so the sync of each new file would change the journal again and write it
 * again. A file that was truncated before, were it empty, is written out at its close: then the first sync finds the blocks
 * of the whole convoy, and the others have nothing left to write.
 *
 * @param {string} path
 * @param {{ readonly text: string, readonly mode: number }} content
 */
function writeFile(path, { text, mode }) {
  const file = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode);
  try {
    ftruncateSync(file, 0);
    const bytes = Buffer.from(text);
    let written = 0;
    while (written < bytes.length) written += writeSync(file, bytes, written);
  } finally {
    closeSync(file);
  }
}

/**
 * @param {string} path
 * @param {number} flag
 */
function sync(path, flag) {
  const file = openSync(path, constants.O_RDONLY | flag);
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/**
 * @param {string} path
 * @param {number} bytesMax
 * @param {FileCall['do']} call
 */
function readText(path, bytesMax, call) {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const buffer = Buffer.allocUnsafe(FIRST_READ_BYTES);
    const bytesRead = readSync(file, buffer, 0, FIRST_READ_BYTES, 0);
    if (bytesRead < FIRST_READ_BYTES) return buffer.toString('utf8', 0, bytesRead);
    const large = Buffer.allocUnsafe(bytesMax + 1);
    const largeRead = readSync(file, large, 0, large.length, 0);
    if (largeRead > bytesMax) throw fault('EFBIG', `larger than ${String(bytesMax)} bytes`, { do: call, path });
    return large.toString('utf8', 0, largeRead);
  } finally {
    closeSync(file);
  }
}

/** @param {string} path */
function kindOf(path) {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return 'absent';
  return found.isDirectory() ? 'folder' : 'other';
}

/** @param {string} path */
function namesIn(path) {
  try {
    return readdirSync(path);
  } catch (error) {
    if (toFault(error, 0).code === 'ENOENT') return [];
    throw error;
  }
}

/**
 * The same answer as that of volume-marker.ts for a volume that is known; its schema is not loaded into every thread.
 *
 * @param {string} text
 * @param {{ readonly name: string, readonly uid: string }} volume
 */
function isMarkerOf(text, { name, uid }) {
  try {
    const marker = JSON.parse(text);
    return (
      isMap(marker) &&
      marker['schema'] === 1 &&
      marker['name'] === name &&
      marker['uid'] === uid &&
      isTextMap(marker['options']) &&
      typeof marker['createdAt'] === 'string' &&
      (!('adopted' in marker) || typeof marker['adopted'] === 'boolean') &&
      (!('details' in marker) || isTextMap(marker['details']))
    );
  } catch {
    // Not JSON; who asks finds out what it is.
    return false;
  }
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
function isMap(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @param {unknown} value */
function isTextMap(value) {
  return isMap(value) && Object.values(value).every((each) => typeof each === 'string');
}

/**
 * @param {string} code
 * @param {string} text
 * @param {{ readonly do: FileCall['do'], readonly path: string }} call
 */
function fault(code, text, call) {
  return Object.assign(new Error(`${code}: ${text}, ${call.do} '${call.path}'`), { code, syscall: call.do, path: call.path });
}

/**
 * @param {unknown} error
 * @param {number} round
 * @returns {FileFault}
 */
function toFault(error, round) {
  const { code, message, syscall, path } = /** @type {NodeJS.ErrnoException} */ (error);
  return { round, code: code ?? 'EUNKNOWN', message, syscall: syscall ?? '', path: path ?? '' };
}

/** More than nearly every marker has. */
const FIRST_READ_BYTES = 8_192;
/** As in volume-marker.ts. */
const MARKER_BYTES_MAX = 640 * 1024;
