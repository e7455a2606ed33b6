import { parseDriverName, type DriverInfo, type Scope } from '@volplane/domain';
import { expect } from 'chai';
import { planPlugins } from '../src/index.js';

const driver = (name: string, scope: Scope): DriverInfo => ({
  name: parseDriverName(name),
  capabilities: {
    scope,
    accessModes: [],
    takeover: [],
    abort: false,
    fence: false,
    size: false,
    expand: false,
    snapshot: false,
    clone: false,
    block: false,
  },
  options: {},
});

describe('plugin plan', () => {
  const drivers = [driver('local', 'local'), driver('nfs', 'global'), driver('ceph', 'global')];
  const names = (defaultDriver?: string): readonly string[] =>
    planPlugins(drivers, { prefix: 'volplane', ...(defaultDriver !== undefined && { defaultDriver }) }).map(
      ({ socketName, driver: of, scope }) => `${socketName}=${of}/${scope}`,
    );

  it('gives the first global driver the short name, and every other one its own', () => {
    expect(names()).to.deep.equal(['volplane-local=local/local', 'volplane=nfs/global', 'volplane-ceph=ceph/global']);
  });

  it('gives the short name to the driver that is chosen', () => {
    expect(names('ceph')).to.deep.equal(['volplane-local=local/local', 'volplane-nfs=nfs/global', 'volplane=ceph/global']);
    expect(() => names('local')).to.throw('no global driver of that name');
  });
});
