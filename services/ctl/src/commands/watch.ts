import type { Command } from 'commander';
import type { NodeEvent, VolumeEvent } from '@volplane/domain';
import type { Act } from '../arguments.js';
import { printable } from '../text/table.js';

export function registerWatch(program: Command, act: Act): void {
  const watch = program.command('watch').description('show the present state, then every change until Ctrl-C');

  watch
    .command('volumes', { isDefault: true })
    .description('watch volumes')
    .option('--name-prefix <prefix>', 'names that begin so')
    .action(
      act(async (session, options: { readonly namePrefix?: string }) => {
        for await (const event of session.client.watchVolumes(options, session.endless)) session.showLine(event, () => volumeLine(event));
      }),
    );

  watch
    .command('nodes')
    .description('watch nodes')
    .option('--name-prefix <prefix>', 'names that begin so')
    .action(
      act(async (session, options: { readonly namePrefix?: string }) => {
        for await (const event of session.client.watchNodes(options, session.endless)) session.showLine(event, () => nodeLine(event));
      }),
    );
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
