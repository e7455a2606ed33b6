import { expect } from 'chai';
import { contractUid, rejection } from '@volplane/testkit';
import { mountConfigFault, type MountDriverConfig } from '../../src/mount/mount-config.js';
import { checkVolumeOptions, mountAbortMethod, planMount, toLookPlan, withServerAddress } from '../../src/mount/plan-mount.js';
import { valueFault } from '../../src/mount/template.js';

const config = (parts: Partial<MountDriverConfig>): MountDriverConfig => ({
  name: 'files',
  type: 'nfs',
  source: 'server.example:/srv/{name}',
  options: ['vers=4.2', 'hard'],
  layout: 'whole',
  mountRoot: '/var/lib/volplane/mounts/files',
  volumeOptions: {},
  accessModes: ['multi-node-multi-writer'],
  trashKeepMs: 0,
  adopt: false,
  ...parts,
});
const volume = { name: 'data.1', uid: contractUid(1), options: {} };

describe('mount call of the mount driver', () => {
  it('is, for nfs, the export of the volume and the address that its server has now', () => {
    const plan = planMount(config({}), volume);
    expect(plan).to.deep.equal({
      type: 'nfs',
      source: 'server.example:/srv/data.1',
      options: ['vers=4.2', 'hard'],
      host: 'server.example',
    });
    expect(withServerAddress(plan, '192.0.2.7')).to.deep.include({
      source: 'server.example:/srv/data.1',
      options: ['vers=4.2', 'hard', 'addr=192.0.2.7'],
    });
  });

  it('is, for cifs, the share with the credentials in a file', () => {
    const cifs = config({
      type: 'cifs',
      source: '//server/{option.share}',
      options: ['vers=3.1.1'],
      credentialsFile: '/etc/volplane/cifs',
    });
    const plan = planMount(cifs, { ...volume, options: { share: 'team' } });
    expect(withServerAddress(plan, '192.0.2.7')).to.deep.equal({
      type: 'cifs',
      source: '//server/team',
      options: ['vers=3.1.1', 'credentials=/etc/volplane/cifs', 'ip=192.0.2.7'],
      host: 'server',
    });
  });

  it('names the secret file as the type wants it', () => {
    const ceph = config({
      type: 'ceph',
      source: 'mon:/{uid}',
      options: ['name=volplane'],
      credentialsFile: '/etc/ceph/key',
      credentialsOption: 'secretfile',
    });
    expect(planMount(ceph, volume)).to.deep.equal({
      type: 'ceph',
      source: `mon:/${volume.uid}`,
      options: ['name=volplane', 'secretfile=/etc/ceph/key'],
    });
  });

  it('leaves the server by its name where an address is given or Kerberos checks the name', () => {
    const host = (parts: Partial<MountDriverConfig>): string | undefined => planMount(config(parts), volume).host;
    expect(host({ options: ['addr=192.0.2.7'] })).to.equal(undefined);
    expect(host({ options: ['sec=krb5p'] })).to.equal(undefined);
    expect(host({ source: '192.0.2.7:/srv/{name}' })).to.equal(undefined);
    expect(host({ source: '[2001:db8::7]:/srv/{name}' })).to.equal(undefined);
    expect(host({ type: 'ext4', source: '/dev/disk/by-label/{name}' })).to.equal(undefined);
  });

  it('fills placeholders in options too, and does not fill in what a value brings', () => {
    const plan = planMount(config({ options: ['timeo={option.timeo}'], source: 's:/{name}' }), { ...volume, options: { timeo: '{uid}' } });
    expect(plan.options).to.deep.equal(['timeo={uid}']);
  });

  it('leaves the journal alone for a look', () => {
    const look = (type: string): readonly string[] => toLookPlan({ type, source: '/dev/sdb', options: [] }).options;
    expect(look('ext4')).to.deep.equal(['noload']);
    expect(look('xfs')).to.deep.equal(['norecovery']);
    expect(look('nfs')).to.deep.equal([]);
  });

  it('can be aborted for whole file systems of a type with a cut', () => {
    expect(mountAbortMethod(config({ type: 'xfs' }))).to.equal('shutdown');
    expect(mountAbortMethod(config({ type: 'fuse.sshfs' }))).to.equal('fuse');
    expect(mountAbortMethod(config({ type: 'glusterfs', kernelType: 'fuse.glusterfs' }))).to.equal('fuse');
    expect(mountAbortMethod(config({ type: 'nfs' }))).to.equal(undefined);
    expect(mountAbortMethod(config({ type: 'ext4', layout: 'subfolder' }))).to.equal(undefined);
  });
});

describe('configuration of the mount driver', () => {
  const faults: readonly (readonly [string, Partial<MountDriverConfig>, RegExp])[] = [
    ['a type that is none', { type: 'nfs -o suid' }, /type is not/],
    ['a relative mount root', { mountRoot: 'mounts' }, /absolute/],
    ['a mode in the options', { options: ['ro'] }, /ro or rw/],
    ['two options in one', { options: ['vers=4,suid'] }, /comma/],
    ['a password', { options: ['password=x'] }, /credentialsFile/],
    ['an unknown placeholder', { source: 's:/{nmae}' }, /\{nmae\} is not a placeholder/],
    ['a placeholder without help', { source: 's:/{option.path}' }, /no help line/],
    ['help without a placeholder', { volumeOptions: { path: 'x' } }, /no template uses/],
    ['a secret as an option of volumes', { source: 's:/{option.password}', volumeOptions: { password: 'x' } }, /secret/],
    ['one export for whole volumes', { source: 's:/one' }, /placeholder in the source/],
    ['a placeholder in a shared export', { layout: 'subfolder' }, /no placeholders/],
  ];
  for (const [what, parts, text] of faults) {
    it(`refuses ${what}`, () => {
      expect(mountConfigFault(config(parts))).to.match(text);
    });
  }

  it('takes what is right', () => {
    expect(mountConfigFault(config({}))).to.equal(undefined);
    expect(mountConfigFault(config({ layout: 'subfolder', source: 'server:/srv' }))).to.equal(undefined);
    expect(mountConfigFault(config({ source: 's:/{option.path}', volumeOptions: { path: 'Folder on the server.' } }))).to.equal(undefined);
  });
});

describe('options of volumes of the mount driver', () => {
  const driver = config({ source: 's:/{option.path}', volumeOptions: { path: 'Folder on the server.' } });

  it('asks for what the templates name, and for nothing else', async () => {
    checkVolumeOptions(driver, { path: 'team/a' });
    const missing = await rejection(
      Promise.resolve().then(() => {
        checkVolumeOptions(driver, {});
      }),
    );
    expect(missing.message).to.contain('path is needed').and.to.contain('Folder on the server.');
    const unknown = await rejection(
      Promise.resolve().then(() => {
        checkVolumeOptions(driver, { path: 'a', typo: 'b' });
      }),
    );
    expect(unknown.failure).to.deep.include({ reason: 'INVALID_OPTION', fields: { option: 'typo' } });
    expect(() => {
      checkVolumeOptions(driver, { path: 'a,suid' });
    }).to.throw('holds a character');
  });

  it('takes no value that would leave its place', () => {
    for (const value of ['', '..', 'a/../b', '../x', '-o', 'a,suid', 'a b', "a'", 'a\nb', 'ä', 'x'.repeat(257)]) {
      expect(valueFault(value), value).to.be.a('string');
    }
    for (const value of ['team/a', 'a..b', '10.0.0.1:/x', 'user@host', '4.2']) expect(valueFault(value), value).to.equal(undefined);
  });
});
