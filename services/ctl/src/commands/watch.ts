import type { Command } from 'commander';
import { hasReason } from '@volplane/base';
import type { NodeEvent, VolumeEvent } from '@volplane/domain';
import type { Act } from '../arguments.js';
import type { Session } from '../session.js';
import { printable } from '../text/table.js';

export function registerWatch(program: Command, act: Act): void {
  const watch = program.command('watch').description('show the present state, then every change until Ctrl-C');

  watch
    .command('volumes', { isDefault: true })
    .description('watch volumes')
    .option('--name-prefix <prefix>', 'names that begin so')
    .action(
      act(async (session, options: { readonly namePrefix?: string }) => {
        await follow(session, session.client.watchVolumes(options, session.endless), volumeLine);
      }),
    );

  watch
    .command('nodes')
    .description('watch nodes')
    .option('--name-prefix <prefix>', 'names that begin so')
    .action(
      act(async (session, options: { readonly namePrefix?: string }) => {
        await follow(session, session.client.watchNodes(options, session.endless), nodeLine);
      }),
    );
}

/** A line for each event. Whoever interrupts a watch has seen enough: that is its end, and no failure to be told. */
async function follow<Event>(session: Session, events: AsyncIterable<Event>, line: (event: Event) => string): Promise<void> {
  try {
    for await (const event of events) session.showLine(event, () => line(event));
  } catch (error) {
    if (!session.io.signal.aborted || !hasReason(error, 'CANCELLED')) throw error;
    session.endWith('interrupted');
  }
}

function volumeLine(event: VolumeEvent): string {
  if (event.type === 'synced') return `synced at revision ${String(event.revision)}`;
  if (event.type === 'removed') return `removed ${event.name}`;
  const { name, driver, node, phase, attachments, operation } = event.volume;
  const holders = attachments.map((attachment) => `${attachment.node} ${attachment.mode}`).join(', ');
  const facts = [phase, `owner ${node}`, holders === '' ? 'attached nowhere' : `attached on ${holders}`];
  if (operation !== undefined) facts.push(`${operation.kind} in work`);
  return printable(`${event.type} ${name} (${driver}): ${facts.join(', ')}`);
}

function nodeLine(event: NodeEvent): string {
  if (event.type === 'synced') return 'synced';
  const { name, state, cordoned, attachedVolumes, ownedVolumes } = event.node;
  return printable(
    `${event.type} ${name}: ${state}${cordoned ? ', cordoned' : ''}, ${String(attachedVolumes)} attached, ${String(ownedVolumes)} owned`,
  );
}
