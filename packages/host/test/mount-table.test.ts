import { expect } from 'chai';
import { findMount, findMountOf, findMountsBelow, isAtOrBelow, isReadOnly, parseMountTable, readMountTable } from '../src/mount-table.js';

const TABLE = String.raw`27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
40 27 7:3 / /mnt/a\040b\134c\011d rw,nosuid shared:5 master:2 - ext4 /dev/loop\0433 rw,shutdown
41 27 254:0 /srv/data /mnt/bind ro,relatime - ext4 /dev/vda rw
42 41 0:44 / /mnt/bind rw - tmpfs tmpfs ro,size=4k
43 27 0:50 / /mnt/f\303\274 rw - fuse.sshfs user@host:/x rw
44 27 0:51 / /mnt/empty rw - nfs4  rw
a line from a kernel to come
`;

describe('mount table', () => {
  const table = parseMountTable(TABLE);

  it('undoes the escapes of paths and sources', () => {
    const entry = table.find((candidate) => candidate.id === 40);
    expect(entry?.target).to.equal('/mnt/a b\\c\td');
    expect(entry?.source).to.equal('/dev/loop#3');
  });

  it('reads options, device and root past the optional fields', () => {
    const entry = table.find((candidate) => candidate.id === 40);
    expect(entry?.device).to.deep.equal({ major: 7, minor: 3 });
    expect(entry?.options).to.deep.equal(['rw', 'nosuid']);
    expect(entry?.superOptions).to.deep.equal(['rw', 'shutdown']);
    expect(table.find((candidate) => candidate.id === 41)?.root).to.equal('/srv/data');
  });

  it('reads a mount whose source is empty', () => {
    const entry = table.find((candidate) => candidate.id === 44);
    expect(entry?.source).to.equal('');
    expect(entry?.superOptions).to.deep.equal(['rw']);
  });

  it('leaves out lines that it does not understand', () => {
    expect(table).to.have.length(6);
  });

  it('finds the topmost of stacked mounts', () => {
    expect(findMount(table, '/mnt/bind')?.id).to.equal(42);
    expect(findMount(table, '/mnt')).to.equal(undefined);
  });

  it('finds the mount that a path lives on', () => {
    expect(findMountOf(table, '/mnt/bind/deep/file')?.id).to.equal(42);
    expect(findMountOf(table, '/mnt/binder')?.id).to.equal(27);
  });

  it('finds what is mounted in a folder', () => {
    expect(findMountsBelow(table, '/mnt').map((entry) => entry.id)).to.deep.equal([40, 41, 42, 43, 44]);
    expect(findMountsBelow(table, '/mn')).to.deep.equal([]);
  });

  it('calls a mount read-only when the mount or its file system is', () => {
    expect(table.filter(isReadOnly).map((entry) => entry.id)).to.deep.equal([41, 42]);
  });

  it('compares folders with their separator', () => {
    expect(isAtOrBelow('/volumes', '/volumes-x/a')).to.equal(false);
    expect(isAtOrBelow('/volumes', '/volumes/a')).to.equal(true);
    expect(isAtOrBelow('/', '/a')).to.equal(true);
  });

  it('reads the table of this kernel', async () => {
    expect(findMountOf(await readMountTable(), '/proc/self')?.fsType).to.equal('proc');
  });
});
