import { hasReason } from '@volplane/base';
import type { Journal } from '@volplane/ports';
import { expect } from 'chai';
import { rejection } from '../rejection.js';

export interface JournalWorld {
  /** Opens the same journal again, after the one before was closed or crashed. */
  open(): Promise<Journal>;
  /** Ends the life of the open one without closing it. */
  crash(journal: Journal): Promise<void>;
  dispose(): Promise<void>;
}

/** What every {@link Journal} keeps. */
export function journalContract(name: string, makeWorld: () => Promise<JournalWorld>): void {
  describe(`${name} keeps the journal contract`, () => {
    let world: JournalWorld;
    beforeEach(async () => {
      world = await makeWorld();
    });
    afterEach(() => world.dispose());

    it('shows a write at once and keeps it across lives', async () => {
      const journal = await world.open();
      const written = journal.write({ 'mount/v1': { seq: 1 }, seq: 256 });
      expect(journal.get('mount/v1')).to.deep.equal({ seq: 1 });
      await written;
      await world.crash(journal);
      const next = await world.open();
      expect(next.get('mount/v1')).to.deep.equal({ seq: 1 });
      expect(next.get('seq')).to.equal(256);
      await next.close();
    });

    it('deletes what is written as undefined, in the same step as the rest', async () => {
      const journal = await world.open();
      await journal.write({ 'mount/v1': { seq: 1 }, 'mount/v2': { seq: 2 } });
      await journal.write({ 'mount/v1': undefined, 'release/u1': { seq: 3 } });
      await world.crash(journal);
      const next = await world.open();
      expect([...next.entries('mount/')]).to.deep.equal([['mount/v2', { seq: 2 }]]);
      expect([...next.entries('release/')]).to.deep.equal([['release/u1', { seq: 3 }]]);
      await next.close();
    });

    it('makes writes durable in the order of their calls', async () => {
      const journal = await world.open();
      await Promise.all(Array.from({ length: 200 }, (_, value) => journal.write({ last: value, [`k/${String(value)}`]: value })));
      await world.crash(journal);
      const next = await world.open();
      expect(next.get('last')).to.equal(199);
      expect([...next.entries('k/')]).to.have.length(200);
      await next.close();
    });

    it('refuses writes once it is closed', async () => {
      const journal = await world.open();
      await journal.close();
      expect(hasReason(await rejection(journal.write({ a: 1 })), 'DISK_FAILED')).to.equal(true);
    });
  });
}
