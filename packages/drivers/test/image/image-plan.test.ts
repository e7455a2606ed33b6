import { expect } from 'chai';
import { contractVolume } from '@volplane/testkit';
import { imageOptions, imageSizeBytes, planImage, roundedBytes } from '../../src/image/image-plan.js';

const MIB = 1024 ** 2;

describe('plan of an image', () => {
  it('is the default file system, another, or raw blocks', () => {
    expect(planImage({}, 'ext4')).to.deep.equal({ content: 'ext4', sizeBytes: undefined });
    expect(planImage({ fs: 'xfs', size: '1g' }, 'ext4')).to.deep.equal({ content: 'xfs', sizeBytes: 1024 * MIB });
    expect(planImage({ access: 'block' }, 'xfs').content).to.equal('block');
    expect(planImage({ access: 'mount' }, 'xfs').content).to.equal('xfs');
  });

  it('begins the help of fs with the default, where doors read it', () => {
    expect(imageOptions('ext4')['fs']).to.match(/^ext4 /);
    expect(imageOptions('xfs')['fs']).to.match(/^xfs /);
  });

  it('takes the size of the call, the option, the source or the driver, in this order', () => {
    const plan = planImage({}, 'ext4');
    const sized = planImage({ size: '8m' }, 'ext4');
    const bare = contractVolume({ options: {} });
    expect(imageSizeBytes({ ...bare, sizeBytes: 9 * MIB }, plan, { defaultBytes: 16 * MIB })).to.equal(9 * MIB);
    expect(imageSizeBytes(bare, sized, { defaultBytes: 16 * MIB, sourceBytes: 4 * MIB })).to.equal(8 * MIB);
    expect(imageSizeBytes(bare, plan, { defaultBytes: 16 * MIB, sourceBytes: 32 * MIB })).to.equal(32 * MIB);
    expect(imageSizeBytes(bare, plan, { defaultBytes: 16 * MIB })).to.equal(16 * MIB);
  });

  it('refuses two sizes that differ, one below the least, and one beyond the greatest', () => {
    const bare = contractVolume({ options: {} });
    const plan = planImage({ size: '8m' }, 'ext4');
    expect(() => imageSizeBytes({ ...bare, sizeBytes: 9 * MIB }, plan, { defaultBytes: 1 })).to.throw(/another size/);
    expect(() => imageSizeBytes({ ...bare, sizeBytes: MIB }, planImage({}, 'ext4'), { defaultBytes: 1 })).to.throw(/least for ext4/);
    expect(() => imageSizeBytes({ ...bare, sizeBytes: 2 ** 50 }, planImage({}, 'ext4'), { defaultBytes: 1 })).to.throw(/larger than/);
  });

  it('rounds up to whole blocks', () => {
    expect(roundedBytes(1)).to.equal(4096);
    expect(roundedBytes(8192)).to.equal(8192);
  });
});
