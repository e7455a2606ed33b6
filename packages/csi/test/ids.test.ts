import { expect } from 'chai';
import type { NodeName, VolumeName, VolumeUid } from '@volplane/domain';
import {
  groupIdFor,
  groupIdOf,
  groupMemberName,
  internalName,
  parseSnapshotId,
  parseVolumeId,
  snapshotIdOf,
  volumeIdOf,
} from '../src/ids.js';

const UID = '0123456789abcdef0123456789abcdef' as VolumeUid;
const LONGEST_NODE = 'n'.repeat(63) as NodeName;

describe('volume ids', () => {
  it('hold name and uid of a global volume, and the node of a local one', () => {
    const view = { name: 'pvc-1' as VolumeName, uid: UID, node: 'n1' as NodeName };
    expect(volumeIdOf({ ...view, scope: 'global' })).to.equal('pvc-1:0123456789abcdef');
    expect(volumeIdOf({ ...view, scope: 'local' })).to.equal('pvc-1:0123456789abcdef:n1');
  });

  it('are read back into what they were made of', () => {
    expect(parseVolumeId('pvc-1:0123456789abcdef:n1')).to.deep.equal({ name: 'pvc-1', uidStart: '0123456789abcdef', node: 'n1' });
    expect(parseVolumeId('pvc-1:0123456789abcdef')).to.deep.equal({ name: 'pvc-1', uidStart: '0123456789abcdef' });
  });

  it('may be a bare volume name', () => {
    expect(parseVolumeId('my-data')).to.deep.equal({ name: 'my-data' });
  });

  for (const id of [
    '',
    'x',
    '../../etc',
    'a b:0123456789abcdef',
    'pvc:0123',
    'pvc:0123456789abcdef:N 1',
    'pvc:0123456789abcdef:n1:more',
    'é'.repeat(64),
  ]) {
    it(`are nobody's when they read ${JSON.stringify(id)}`, () => {
      expect(parseVolumeId(id)).to.equal(undefined);
    });
  }

  it('stay within 128 bytes for every name that CSI can give, on the longest node name', () => {
    for (const name of ['a'.repeat(128), '[0]', '卷'.repeat(42), 'vol[0]', 'x', ' ']) {
      const id = volumeIdOf({ name: internalName(name) as VolumeName, uid: UID, scope: 'local', node: LONGEST_NODE });
      expect(Buffer.byteLength(id ?? ''), name).to.be.within(1, 128);
      expect(parseVolumeId(id ?? ''), name).to.not.equal(undefined);
    }
  });

  it('are the bare name for global volumes of other doors whose names are too long', () => {
    const name = 'n'.repeat(128) as VolumeName;
    expect(volumeIdOf({ name, uid: UID, scope: 'global', node: LONGEST_NODE })).to.equal(name);
    expect(volumeIdOf({ name, uid: UID, scope: 'local', node: LONGEST_NODE })).to.equal(undefined);
  });
});

describe('internal names', () => {
  it('keep a short legal name', () => {
    expect(internalName('pvc-8f6b1c2e-0d9a-4d6e-9a3f-0123456789ab')).to.equal('pvc-8f6b1c2e-0d9a-4d6e-9a3f-0123456789ab');
  });

  it('tell apart names that look the same once cleaned', () => {
    const names = ['vol[0]', 'vol(0)', 'vol-0-', 'a'.repeat(127), 'a'.repeat(128), '卷', '券'];
    expect(new Set(names.map(internalName)).size).to.equal(names.length);
  });

  it('give the same for the same', () => {
    expect(internalName('vol[0]')).to.equal(internalName('vol[0]'));
  });
});

describe('snapshot ids', () => {
  for (const csiName of ['s'.repeat(128), '[0]', '卷'.repeat(42), 'x', ' ']) {
    it(`of ${JSON.stringify(csiName.slice(0, 5))} are read back and stay within 128 bytes, on the longest node name too`, () => {
      const name = internalName(csiName);
      const id = snapshotIdOf({ name, volumeUid: UID, scope: 'local', node: LONGEST_NODE }) ?? '';
      expect(Buffer.byteLength(id)).to.be.within(1, 128);
      expect(parseSnapshotId(id)).to.deep.equal({ name, uidStart: UID.slice(0, 16), node: LONGEST_NODE });
    });
  }

  for (const id of [
    '',
    'snap',
    'snap@',
    '@0123456789abcdef',
    'a/b@0123456789abcdef',
    'snap@0123456789abcde',
    'snap@0123456789abcdef@',
    'snap@0123456789abcdef@n1@x',
  ]) {
    it(`are nobody's when they read ${JSON.stringify(id)}`, () => {
      expect(parseSnapshotId(id)).to.equal(undefined);
    });
  }

  it('know the group that a snapshot belongs to', () => {
    const group = groupIdFor('nightly');
    expect(groupIdOf(groupMemberName(group, UID))).to.equal(group);
    expect(groupIdOf('nightly.1')).to.equal(undefined);
  });
});
