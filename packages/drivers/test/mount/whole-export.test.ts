import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { contractUid, contractVolume, makeTestFolder, rejection, watchHandles, type TestFolder } from '@volplane/testkit';
import { expect } from 'chai';
import { claimExport, clearExport, lookAtExport } from '../../src/mount/whole-export.js';
import { realContext } from '../support/context.js';

const MARKER = '.volplane-volume.json';

/** A folder in place of a mounted export. */
describe('export of a volume', () => {
  const volume = { ...contractVolume({ options: {} }), createdAt: '', adopt: false };
  const other = { ...volume, uid: contractUid(2) };
  const calm = { keepData: false, signal: new AbortController().signal };
  let folder: TestFolder;
  let path: string;

  beforeEach(async () => {
    folder = await makeTestFolder();
    path = join(folder.path, 'export');
    await mkdir(path);
  });

  afterEach(async () => {
    await folder.remove();
  });

  /** Each sync, and whether the marker has its name by then. */
  async function syncsOf(work: () => Promise<unknown>): Promise<readonly unknown[]> {
    const seen: unknown[] = [];
    const file = join(folder.path, 'any');
    await writeFile(file, '');
    const end = await watchHandles(file, (call) => seen.push([basename(call.path), existsSync(join(path, MARKER))]));
    try {
      await work();
    } finally {
      end();
    }
    return seen;
  }

  it('is claimed and given back durably', async () => {
    const claimed = await syncsOf(() => claimExport(path, volume));
    expect(claimed[0]).to.deep.equal([`${MARKER}.${volume.uid}.tmp`, false]);
    expect(claimed.at(-1)).to.deep.equal(['export', true]);
    const cleared = await syncsOf(() => clearExport(realContext(), path, calm));
    expect(cleared).to.deep.equal([['export', false]]);
    expect(await readdir(path)).to.deep.equal([]);
  });

  it('belongs to the first of two that claim it, with nothing left of the other', async () => {
    const places = await Promise.all([volume, other].map((one) => claimExport(path, one)));
    expect(places.map(({ kind }) => kind).sort()).to.deep.equal(['foreign', 'own']);
    expect(await readdir(path)).to.deep.equal([MARKER]);
  });

  it('with data is nobody else to give, unless it may be adopted', async () => {
    await writeFile(join(path, 'precious'), '');
    expect((await claimExport(path, volume)).kind).to.equal('foreign');
    expect(await claimExport(path, { ...volume, adopt: true })).to.have.nested.property('marker.adopted', true);
    await clearExport(realContext(), path, { ...calm, keepData: true });
    expect(await readdir(path)).to.deep.equal(['precious']);
  });

  it('keeps its marker until its data is gone', async () => {
    await claimExport(path, volume);
    const failing = realContext({ run: () => Promise.resolve({ code: 1, stdout: '', stderr: 'rm: immutable' }) });
    expect((await rejection(clearExport(failing, path, calm))).reason).to.equal('DRIVER_UNAVAILABLE');
    expect((await lookAtExport(path, volume)).kind).to.equal('own');
  });

  it('with a marker that cannot be read is not passed for empty', async () => {
    for (const text of ['{', 'x'.repeat(700 * 1024)]) {
      await writeFile(join(path, MARKER), text);
      expect(await lookAtExport(path, { ...volume, adopt: true })).to.deep.include({ kind: 'foreign', unreadable: true });
    }
  });

  it('is empty with a lost+found of the file system, and not with a file of that name', async () => {
    await mkdir(join(path, 'lost+found'));
    expect((await lookAtExport(path, volume)).kind).to.equal('absent');
    await mkdir(join(folder.path, 'file'));
    await writeFile(join(folder.path, 'file', 'lost+found'), '');
    expect((await lookAtExport(join(folder.path, 'file'), volume)).kind).to.equal('foreign');
  });
});
