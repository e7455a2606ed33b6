import { expect } from 'chai';
import { builtFolders, memberFaults, workspaceMembers, type Member } from './workspace.js';

describe('workspace', () => {
  it('refers in each tsconfig.json to what package.json depends on', () => {
    const members = workspaceMembers();
    expect(members.length).to.be.greaterThan(10);
    expect(members.flatMap((member) => memberFaults(member, builtFolders()))).to.deep.equal([]);
  });

  it('would find each of these faults', () => {
    const sound: Member = {
      folder: 'packages/a',
      name: '@volplane/a',
      dependencies: ['packages/b'],
      references: ['packages/b'],
    };
    const built = ['packages/a'];
    expect(memberFaults(sound, built)).to.deep.equal([]);
    expect(memberFaults(sound, [])).to.have.length(1);
    expect(memberFaults({ ...sound, references: [] }, built)).to.have.length(1);
    expect(memberFaults({ ...sound, dependencies: [] }, built)).to.have.length(1);
  });
});
