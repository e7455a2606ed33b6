import type { Command } from 'commander';
import type { SnapshotView } from '@volplane/domain';
import { nodeOption, onNode, type Act } from '../arguments.js';
import { formatSize } from '../text/size.js';
import { table } from '../text/table.js';
import { distinct, everyPage } from './pages.js';
import { showVolume } from './volumes.js';

export function registerSnapshots(program: Command, act: Act): void {
  const snapshot = program.command('snapshot').description('take, remove and list snapshots');

  snapshot
    .command('create')
    .description('take a snapshot of a volume')
    .argument('<volume>')
    .argument('<snapshot>')
    .addOption(nodeOption('the local volume of this node'))
    .action(
      act(async (session, name: string, wanted: string, options: { readonly node?: string }) => {
        showVolume(session, await session.client.createSnapshot({ name, snapshot: wanted, ...onNode(options) }, session.context));
      }),
    );

  snapshot
    .command('rm')
    .description('remove a snapshot of a volume')
    .argument('<volume>')
    .argument('<snapshot>')
    .addOption(nodeOption('the local volume of this node'))
    .action(
      act(async (session, name: string, unwanted: string, options: { readonly node?: string }) => {
        showVolume(session, await session.client.removeSnapshot({ name, snapshot: unwanted, ...onNode(options) }, session.context));
      }),
    );

  snapshot
    .command('ls')
    .description('list snapshots, of one volume or of all')
    .argument('[volume]')
    .addOption(nodeOption('local volumes of this node only'))
    .action(
      act(async (session, volume: string | undefined, options: { readonly node?: string }) => {
        const filter = { ...(volume === undefined ? {} : { volume }), ...onNode(options) };
        const pages = await everyPage((page) => session.client.listSnapshots({ filter, ...page }, session.context));
        const snapshots = pages.flatMap((page) => page.snapshots);
        const unansweredNodes = distinct(pages.map((page) => page.unansweredNodes));
        session.show({ snapshots, unansweredNodes }, () => snapshotTable(snapshots));
        if (unansweredNodes.length > 0 && !session.isJson) session.note(`no answer from ${unansweredNodes.join(', ')}`);
      }),
    );
}

function snapshotTable(snapshots: readonly SnapshotView[]): string {
  return table(
    ['VOLUME', 'SNAPSHOT', 'DRIVER', 'NODE', 'SIZE', 'CREATED', 'READY'],
    snapshots.map(({ volume, name, driver, node, sizeBytes, createdAt, ready }) => [
      volume,
      name,
      driver,
      node,
      formatSize(sizeBytes),
      createdAt,
      ready ? 'yes' : 'no',
    ]),
  );
}
