import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { silentLogger, type Logger } from '@volplane/base';
import type { ToolCall, ToolOutcome } from '@volplane/host';
import { gate, makeTestFolder, ManualClock, waitFor, type TestFolder } from '@volplane/testkit';
import { expect } from 'chai';
import type { DriverContext } from '../src/driver-context.js';
import { FolderTrash } from '../src/folder-trash.js';
import { realContext } from './support/context.js';

const CALM = new AbortController().signal;
const HOUR_MS = 3_600_000;

/** Real files, the calls of rm(1) watched. */
describe('trash of folders', () => {
  let folder: TestFolder;
  let clock: ManualClock;
  let calls: ToolCall[];
  let warnings: unknown[];
  /** What rm does instead of its work. */
  let instead: (() => Promise<ToolOutcome>) | undefined;

  const real = realContext();
  const log: Logger = { ...silentLogger, warn: (message, fields) => warnings.push([message, fields?.['path'] ?? fields?.['folder']]) };
  const open = (keepMs: number, parts: Partial<DriverContext> = {}): FolderTrash => {
    const run: DriverContext['run'] = async (call) => {
      calls.push(call);
      return await (instead === undefined ? real.run(call) : instead());
    };
    return new FolderTrash(realContext({ clock, log, run, ...parts }), { root: folder.path, keepMs });
  };
  /** An entry with something in it, removed now. */
  const put = async (trash: FolderTrash, label: string): Promise<string> => {
    const path = trash.entry(label);
    await mkdir(path, { recursive: true });
    await writeFile(join(path, 'file'), '');
    return path;
  };
  const left = async (): Promise<readonly string[]> =>
    (await readdir(join(folder.path, '.trash'))).map((name) => name.split('-')[1] ?? name);

  beforeEach(async () => {
    folder = await makeTestFolder();
    clock = new ManualClock(10 * HOUR_MS);
    calls = [];
    warnings = [];
    instead = undefined;
  });

  afterEach(async () => {
    await folder.remove();
  });

  it('deletes what is removed, by a program that crosses into no other file system and ends with its caller', async () => {
    const trash = open(0);
    const path = await put(trash, 'one');
    const { signal } = new AbortController();
    await trash.settle(path, signal);
    expect(await left()).to.deep.equal([]);
    expect(calls[0]).to.deep.include({ file: 'rm', args: ['-rf', '--one-file-system', '--', path], signal });
  });

  it('deletes the folder of a volume that was never written to without a program', async () => {
    const trash = open(0);
    const path = trash.entry('one');
    await mkdir(join(path, '_data'), { recursive: true });
    await writeFile(join(path, 'volume.json'), '');
    await trash.settle(path, CALM);
    expect(await left()).to.deep.equal([]);
    expect(calls).to.deep.equal([]);
  });

  it('deletes nothing in which something is mounted', async () => {
    const [entry] = await real.mounts.table();
    if (entry === undefined) throw new Error('nothing is mounted at all');
    const trash = open(0, { mounts: { ...real.mounts, table: () => Promise.resolve([{ ...entry, target: join(path, 'below') }]) } });
    const path = await put(trash, 'one');
    await trash.settle(path, CALM);
    expect(await left()).to.deep.equal(['one']);
    expect(calls).to.deep.equal([]);
    expect(warnings).to.deep.equal([['removed volume not deleted yet', path]]);
  });

  it('says what could not be deleted, and keeps it', async () => {
    const trash = open(0);
    const path = await put(trash, 'one');
    instead = () => Promise.resolve({ code: 1, stdout: '', stderr: 'immutable' });
    await trash.settle(path, CALM);
    expect(await left()).to.deep.equal(['one']);
    expect(warnings).to.deep.equal([['removed volume not deleted yet', path]]);
  });

  it('keeps what is to be kept', async () => {
    const trash = open(HOUR_MS);
    await trash.settle(await put(trash, 'one'), CALM);
    expect(await left()).to.deep.equal(['one']);
  });

  it('looks through the whole once a minute', async () => {
    const trash = open(HOUR_MS);
    await put(trash, 'old');
    await clock.advance(HOUR_MS - 1);
    await trash.settle(undefined, CALM);
    await clock.advance(59_999);
    await trash.settle(undefined, CALM);
    expect(await left()).to.deep.equal(['old']);
    await clock.advance(1);
    await trash.settle(undefined, CALM);
    expect(await left()).to.deep.equal([]);
  });

  it('leaves what another remove may still be deleting', async () => {
    const trash = open(0);
    await put(trash, 'old');
    await clock.advance(10 * 60_000);
    const path = await put(trash, 'now');
    await trash.settle(path, CALM);
    expect(await left()).to.deep.equal(['old']);
  });

  it('deletes a bounded number in one go, for one remove at a time', async () => {
    const trash = open(HOUR_MS);
    await Promise.all(Array.from({ length: 65 }, (_, index) => put(trash, `old${String(index)}`)));
    await clock.advance(HOUR_MS);
    const running = gate();
    instead = () => running.opened.then(() => ({ code: 1, stdout: '', stderr: '' }));
    const first = trash.settle(undefined, CALM);
    await waitFor(() => calls.length === 1, { what: 'it deletes' });
    await clock.advance(60_000);
    await trash.settle(undefined, CALM);
    expect(calls).to.have.length(1);
    running.open();
    await first;
    expect(calls).to.have.length(64);
    await clock.advance(60_000);
    await trash.settle(undefined, CALM);
    expect(calls).to.have.length(128);
  });

  it('is empty when there is none, and says when it cannot be read', async () => {
    const trash = open(0);
    expect(await trash.names(trash.folder)).to.deep.equal([]);
    expect(warnings).to.deep.equal([]);
    await writeFile(trash.folder, '');
    expect(await trash.names(trash.folder)).to.deep.equal([]);
    expect(warnings).to.deep.equal([['trash not read', trash.folder]]);
  });
});
