import { readdir } from 'node:fs/promises';
import { contractVolume, makeTestFolder, rejection, type TestFolder } from '@volplane/testkit';
import { expect } from 'chai';
import { FileThreads } from '../src/files/file-threads.js';
import type { FileCall, FileRunner } from '../src/files/file-call.js';
import { VolumeFolders, type Fill } from '../src/volume-folders.js';
import { realContext } from './support/context.js';

const CALM = new AbortController().signal;

/** The real files of one root, whose syncs fail when the test says so. Method: what is answered must be on the disk by then. */
describe('folders of volumes on a disk whose syncs fail', () => {
  const threads = new FileThreads();
  const volume = contractVolume({ options: {} });
  let folder: TestFolder;
  let folders: VolumeFolders;
  /** Of the root; undefined: they succeed. */
  let syncFault: string | undefined;
  let syncs: number;

  beforeEach(async () => {
    folder = await makeTestFolder();
    syncFault = undefined;
    syncs = 0;
    folders = new VolumeFolders(realContext({ files: () => failing }), { root: folder.path, trashKeepMs: 0 });
  });

  afterEach(async () => {
    await folder.remove();
  });

  const isSyncOfRoot = (call: FileCall): boolean => call.do === 'sync-folder' && call.path === folder.path;
  const failing: FileRunner = {
    async run(script, values) {
      const round = script.findIndex((calls) => calls.some(isSyncOfRoot));
      if (round === -1) return await threads.run(script, values);
      if (syncFault === undefined) {
        const outcome = await threads.run(script, values);
        if (outcome.fault === undefined) syncs += 1;
        return outcome;
      }
      const before = await threads.run(script.slice(0, round), values);
      if (before.fault !== undefined) return before;
      return { values: before.values, fault: { round, code: syncFault, message: `${syncFault}: fsync`, syscall: 'fsync', path: '' } };
    },
  };
  const present = async (): Promise<boolean> => (await readdir(folder.path)).includes(volume.name);

  const fills: readonly (readonly [string, Fill])[] = [
    ['the folder that users get', 'data folder'],
    ['work of the driver', { work: () => Promise.resolve() }],
  ];
  for (const [what, fill] of fills) {
    it(`answers a create only once it is durable, also one that is repeated: ${what}`, async () => {
      syncFault = 'EIO';
      expect((await rejection(folders.create(volume, fill))).reason).to.equal('DRIVER_UNAVAILABLE');
      expect(await present()).to.equal(true);
      expect((await rejection(folders.create(volume, fill))).reason).to.equal('DRIVER_UNAVAILABLE');
      syncFault = undefined;
      await folders.create(volume, fill);
      expect(syncs).to.equal(1);
    });
  }

  it('answers a remove only once it is durable, also one that is repeated', async () => {
    await folders.create(volume, 'data folder');
    syncFault = 'EIO';
    expect((await rejection(folders.remove(volume, CALM))).reason).to.equal('DRIVER_UNAVAILABLE');
    expect(await present()).to.equal(false);
    expect((await rejection(folders.remove(volume, CALM))).reason).to.equal('DRIVER_UNAVAILABLE');
    syncFault = undefined;
    await folders.remove(volume, CALM);
    expect(syncs).to.equal(2);
  });

  // These mean before a move that nothing was done.
  for (const code of ['ENOSPC', 'EROFS']) {
    it(`does not say that nothing is left when the sync after the move ends with ${code}`, async () => {
      syncFault = code;
      expect((await rejection(folders.create(volume, 'data folder'))).reason).to.equal('DRIVER_UNAVAILABLE');
      syncFault = undefined;
      await folders.create(volume, 'data folder');
      syncFault = code;
      expect((await rejection(folders.remove(volume, CALM))).reason).to.equal('DRIVER_UNAVAILABLE');
      expect((await rejection(folders.remove(volume, CALM))).reason).to.equal('DRIVER_UNAVAILABLE');
    });
  }

  it('removes what was never there, also below a root that is not there', async () => {
    await folders.remove(volume, CALM);
    await new VolumeFolders(realContext(), { root: `${folder.path}/nowhere`, trashKeepMs: 0 }).remove(volume, CALM);
  });
});
