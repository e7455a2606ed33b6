import { Option, type Command } from 'commander';
import { AppError } from '@volplane/base';
import type { MountMode } from '@volplane/domain';
import { count, nodeOption, onNode, type Act } from '../arguments.js';
import type { Session } from '../session.js';
import { facts, printable } from '../text/table.js';

export function registerMounts(program: Command, act: Act): void {
  program
    .command('mount')
    .description('mount a volume on a node, and print where')
    .argument('<name>')
    .requiredOption('-i, --id <mount-id>', 'required: your name for this use, such as a container id; give the same at unmount')
    .addOption(nodeOption('where to mount; needed at a manager'))
    .addOption(new Option('-m, --mode <mode>', 'absent: rw where the access mode allows it').choices(['rw', 'ro']))
    .action(
      act(async (session, name: string, options: { readonly id: string; readonly node?: string; readonly mode?: MountMode }) => {
        const mode = options.mode === undefined ? {} : { mode: options.mode };
        const mount = await session.client.mountVolume({ name, mountId: options.id, ...onNode(options), ...mode }, session.context);
        session.show(mount, () => mount.path);
      }),
    );

  program
    .command('unmount')
    .alias('umount')
    .description('take a mount id out; the last one unmounts the volume and releases it')
    .argument('<name>')
    .requiredOption('-i, --id <mount-id>', 'required: the id that was given at mount')
    .addOption(nodeOption('where it is mounted; needed at a manager'))
    .option('--seq <number>', 'only if it belongs to this claim', count)
    .action(
      act(async (session, name: string, options: { readonly id: string; readonly node?: string; readonly seq?: number }) => {
        const seq = options.seq === undefined ? {} : { seq: options.seq };
        await session.client.unmountVolume({ name, mountId: options.id, ...onNode(options), ...seq }, session.context);
        session.show({ unmounted: name, mountId: options.id }, () => '');
        if (!session.isJson) await noteUses(session, name, options);
      }),
    );

  program
    .command('path')
    .description('print where a volume is mounted')
    .argument('<name>')
    .addOption(nodeOption('on this node'))
    .action(
      act(async (session, name: string, options: { readonly node?: string }) => {
        const { path } = await session.client.getPath({ name, ...onNode(options) }, session.context);
        if (path === undefined) session.endWith('notFound');
        session.show(path === undefined ? {} : { path }, () => path ?? '');
        if (path === undefined && !session.isJson) session.note(`volume ${printable(name)} is not mounted there`);
      }),
    );

  program
    .command('status')
    .description('show what the driver tells about a volume')
    .argument('<name>')
    .addOption(nodeOption('as seen on this node'))
    .action(
      act(async (session, name: string, options: { readonly node?: string }) => {
        const { status } = await session.client.getStatus({ name, ...onNode(options) }, session.context);
        session.show(status, () => facts(Object.entries(status)));
      }),
    );
}

/** An unmount of an id that is not there succeeds, so that it can be repeated: who mistyped the id, or meant the last one, is told here. */
async function noteUses(session: Session, name: string, options: { readonly node?: string }): Promise<void> {
  try {
    const { mountIds = [] } = await session.client.getVolume({ name, ...onNode(options) }, session.context);
    if (mountIds.length > 0) session.note(printable(`volume ${name} stays mounted there for ${mountIds.join(', ')}`));
  } catch (error) {
    // The unmount itself has succeeded; that there is no such volume is worth a word, that it cannot be told now is not.
    if (!(error instanceof AppError)) throw error;
    if (error.reason === 'VOLUME_NOT_FOUND') session.note(printable(error.message));
  }
}
