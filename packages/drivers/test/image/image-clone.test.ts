import { join } from 'node:path';
import type { VolumeName } from '@volplane/domain';
import { contractUid, contractVolume, makeTestFolder, rejection, type TestFolder } from '@volplane/testkit';
import { expect } from 'chai';
import { ImageDriver } from '../../src/image/image-driver.js';
import { realContext } from '../support/context.js';

const CALM = new AbortController().signal;

/** Images without a file system, which need no right to mount. */
describe('clones of images', () => {
  let folder: TestFolder;

  beforeEach(async () => {
    folder = await makeTestFolder();
  });

  afterEach(async () => {
    await folder.remove();
  });

  const make = (onStep?: (step: string) => Promise<void>): ImageDriver =>
    new ImageDriver(realContext(onStep === undefined ? {} : { onStep }), {
      ...{ name: 'image', root: join(folder.path, 'images'), scope: 'local', mountRoot: join(folder.path, 'mounts') },
      ...{ defaultSizeBytes: 1024 ** 2, fsType: 'ext4', preallocate: false, trashKeepMs: 0 },
    });

  it('that were made and not acknowledged are found again, whatever has become of their source', async () => {
    const source = contractVolume({ options: { access: 'block' } });
    const plain = contractVolume({ options: {} }, { name: 'copy' as VolumeName, uid: contractUid(2) });
    const copy = { ...plain, source: { name: source.name, uid: source.uid } };
    await make().create(source, CALM);
    // Its process ends there.
    const ending = make((step) => (step === 'published' ? Promise.reject(new Error('killed')) : Promise.resolve()));
    await rejection(ending.create(copy, CALM));
    await make().remove(source, CALM);
    await make().create(copy, CALM);
    expect((await make().inspect(copy)).existence).to.equal('present');
    const other = { ...copy, name: 'other' as VolumeName, uid: contractUid(3) };
    expect((await rejection(make().create(other, CALM))).reason).to.equal('DRIVER_FAILED');
  });
});
