import { expect } from 'chai';
import { AppError } from '@volplane/base';
import { checkLocalOptions, maskedDevice, maskedWords, planLocalMount, withAddress } from '../../src/local/mount-plan.js';

describe('options of the local driver', () => {
  const refusals: readonly (readonly [string, Record<string, string>, RegExp])[] = [
    ['an option that it does not know', { typo: 'x' }, /typo is not an option/],
    ['device without type', { device: '/dev/sda1' }, /device needs the option type/],
    ['type without device', { type: 'ext4' }, /type needs the option device/],
    ['o alone', { o: 'ro' }, /o needs the options type and device/],
    ['a hard size', { size: '10g' }, /image driver/],
    ['a size that is none', { size: 'big' }, /size is not a size/],
    ['a control character', { type: 'tmpfs', device: 'tmpfs', o: 'size=1m\n' }, /control character/],
    ['a share without a server', { type: 'cifs', device: '/share' }, /device is not a share/],
    ['a port in the device of a share', { type: 'cifs', device: '//server:445/share' }, /port=/],
  ];
  for (const [what, options, text] of refusals) {
    it(`refuses ${what}`, () => {
      expect(() => {
        checkLocalOptions(options);
      }).to.throw(AppError, text);
    });
  }

  it('takes what moby takes', () => {
    checkLocalOptions({});
    checkLocalOptions({ size: '0' });
    checkLocalOptions({ type: 'tmpfs', device: 'tmpfs', o: 'size=100m,uid=1000' });
    checkLocalOptions({ type: 'nfs', device: ':/export', o: 'addr=server,rw' });
    checkLocalOptions({ type: 'none', device: '/srv/data', o: 'bind' });
    checkLocalOptions({ type: 'cifs', device: '//server/share' });
  });

  it('does not repeat values in its refusals', () => {
    try {
      checkLocalOptions({ type: 'cifs', device: 'x', o: 'password=hunter2' });
    } catch (error) {
      expect(String(error)).not.to.contain('hunter2');
      return;
    }
    throw new Error('it was not refused');
  });
});

describe('mount plan of the local driver', () => {
  it('is nothing for an ordinary folder', () => {
    expect(planLocalMount({})).to.equal(undefined);
    expect(planLocalMount({ type: '', device: '', o: '' })).to.equal(undefined);
    expect(planLocalMount({ size: '0' })).to.equal(undefined);
  });

  it('takes read-only out of the words and keeps it as the mode', () => {
    const plan = planLocalMount({ type: 'none', device: '/srv', o: 'bind,ro,nosuid' });
    expect(plan).to.deep.include({ mode: 'ro', options: ['bind', 'nosuid'], source: '/srv' });
  });

  it('puts the resolved server of nfs where mount.nfs and the kernel look for it', () => {
    const plan = planLocalMount({ type: 'nfs', device: ':/export', o: 'addr=files.example,vers=4' });
    expect(plan?.host).to.equal('files.example');
    if (plan === undefined) return;
    expect(withAddress(plan, '192.0.2.7')).to.deep.include({ source: '192.0.2.7:/export', options: ['vers=4', 'addr=192.0.2.7'] });
    expect(withAddress(plan, '2001:db8::7').source).to.equal('[2001:db8::7]:/export');
  });

  it('leaves the device of nfs alone when it names the server', () => {
    expect(planLocalMount({ type: 'nfs', device: 'server:/export' })?.host).to.equal(undefined);
  });

  it('resolves the server of a share and undoes the escapes of its name', () => {
    const plan = planLocalMount({ type: 'cifs', device: '//server/my%20share', o: 'vers=3.0' });
    expect(plan).to.deep.include({ source: '//server/my share', host: 'server' });
    expect(planLocalMount({ type: 'cifs', device: '//server/share', o: 'addr=other' })?.host).to.equal('other');
    expect(planLocalMount({ type: 'cifs', device: '//192.0.2.7/share' })?.host).to.equal(undefined);
    expect(planLocalMount({ type: 'cifs', device: '//server/100%' })?.source).to.equal('//server/100%');
  });

  it('takes the password of a share out of the words', () => {
    const plan = planLocalMount({ type: 'cifs', device: '//192.0.2.7/s', o: 'username=me,password=hun=ter2,domain=d,uid=5' });
    expect(plan?.options).to.deep.equal(['uid=5']);
    expect(plan?.credentials).to.deep.equal({ username: 'me', password: 'hun=ter2', domain: 'd' });
    expect(plan?.secrets).to.deep.equal(['hun=ter2']);
  });

  it('leaves the words of a share without a password alone', () => {
    const plan = planLocalMount({ type: 'cifs', device: '//192.0.2.7/s', o: 'username=me,credentials=/etc/cifs' });
    expect(plan?.options).to.deep.equal(['username=me', 'credentials=/etc/cifs']);
    expect(plan?.credentials).to.equal(undefined);
  });

  it('masks what may not be shown', () => {
    expect(maskedWords('username=me,password=x,secret=y,ro')).to.equal('username=me,password=***,secret=***,ro');
    expect(maskedDevice('//me:hunter2@server/share')).to.equal('//me:***@server/share');
    expect(maskedDevice('https://me:hunter2@server/dav')).to.equal('https://me:***@server/dav');
    expect(maskedDevice('//server/a:b@c')).to.equal('//server/a:b@c');
    expect(planLocalMount({ type: 'davfs', device: 'https://me:hunter2@server/dav' })?.secrets).to.deep.equal(['hunter2']);
  });
});
