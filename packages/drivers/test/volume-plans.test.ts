import { join } from 'node:path';
import { expect } from 'chai';
import type { FileCall } from '../src/files/file-call.js';
import { MARKER_FILE } from '../src/volume-marker.js';
import { volumePlans } from '../src/volume-plans.js';

// What survives the end of the machine is a matter of the order of calls, which no test on a living file system can see.
describe('plans for the folders of volumes', () => {
  const ROOT = '/root-of-volumes';
  const plans = volumePlans(ROOT, { keepsTrash: false });
  const STAGED = '\0staged\0';
  const TAKEN = '\0taken\0';
  const PLACE = join(ROOT, '\0name\0');
  const MARKER = join(STAGED, MARKER_FILE);

  type Script = readonly (readonly FileCall[])[];

  /** The round of the one call that is so. */
  function roundOf(script: Script, what: FileCall['do'], path: string): number {
    const rounds = script.flatMap((calls, round) => calls.filter((call) => call.do === what && call.path === path).map(() => round));
    expect(rounds, `${what} of ${path}`).to.have.length(1);
    return rounds[0] ?? -1;
  }

  /** In one round, in their order, and nothing else. */
  function names(script: Script, round: number): readonly string[] {
    return (script[round] ?? []).map((call) => call.do);
  }

  for (const [name, { script }] of Object.entries({ create: plans.create, publish: plans.publish })) {
    it(`${name}: moves the folder to its place only once all that is in it is durable, and makes the move durable`, () => {
      const written = roundOf(script, 'write-file', MARKER);
      const synced = roundOf(script, 'sync-file', MARKER);
      const folderSynced = roundOf(script, 'sync-folder', STAGED);
      const moved = roundOf(script, 'move', STAGED);
      // Each in a round of its own: then the syncs of a convoy find what all of it has written.
      expect([written, synced, folderSynced, moved, roundOf(script, 'sync-folder', ROOT)]).to.deep.equal(
        [0, 1, 2, 3, 4].map((step) => written + step),
      );
      expect(names(script, moved), 'the root is open before it changes').to.deep.equal(['hold-folder', 'move']);
      expect(roundOf(script, 'hold-folder', ROOT)).to.equal(moved);
      if (name === 'create') expect(roundOf(script, 'make-folder', join(STAGED, '_data'))).to.be.below(folderSynced);
    });
  }

  for (const [name, { script }] of Object.entries({ create: plans.create, begin: plans.begin })) {
    it(`${name}: looks first whether something is at the place, which a move onto an empty folder would replace`, () => {
      expect(names(script, roundOf(script, 'check-absent', PLACE))).to.deep.equal(['check-absent', 'make-folder']);
      expect(roundOf(script, 'make-folder', STAGED)).to.equal(0);
    });
  }

  it('remove: takes away only what carries the marker, and deletes once that is durable', () => {
    const { script } = plans.remove;
    const moved = roundOf(script, 'move', PLACE);
    expect(names(script, moved), 'the root is open before it changes').to.deep.equal(['check-marker', 'hold-folder', 'move']);
    expect(script[moved]?.[0]).to.include({ path: join(PLACE, MARKER_FILE), folder: PLACE, uid: '\0uid\0', name: '\0name\0' });
    expect(roundOf(script, 'hold-folder', ROOT)).to.equal(moved);
    const synced = roundOf(script, 'sync-folder', ROOT);
    expect(synced).to.equal(moved + 1);
    for (const path of [join(TAKEN, '_data'), TAKEN]) expect(roundOf(script, 'remove-folder', path)).to.be.above(synced);
    expect(roundOf(script, 'remove-file', join(TAKEN, MARKER_FILE))).to.be.above(synced);
  });

  it('let others pass through a folder and not look around, and nobody read its marker', () => {
    const calls = plans.create.script.flat();
    expect(calls.find((call) => call.do === 'make-folder' && call.path === STAGED)).to.include({ mode: 0o701 });
    expect(calls.find((call) => call.do === 'write-file')).to.include({ mode: 0o600 });
  });

  it('remove: deletes nothing where the trash is kept', () => {
    const { script } = volumePlans(ROOT, { keepsTrash: true }).remove;
    expect(script.flat().filter((call) => call.do.startsWith('remove'))).to.deep.equal([]);
  });
});
