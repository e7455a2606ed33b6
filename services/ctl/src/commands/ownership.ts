import type { Command } from 'commander';
import { AppError } from '@volplane/base';
import type { Act } from '../arguments.js';
import { showVolume } from './volumes.js';

export function registerOwnership(program: Command, act: Act): void {
  program
    .command('release')
    .description('end the attachment of a node on your word; what it still writes is your risk')
    .argument('<name>')
    .argument('<node>', 'the node that shall no longer have it')
    .option('--note <text>', 'who says so and why, kept as evidence')
    .option('--on-evidence', 'only if the node is not in touch and the evidence allows it; on nobody’s word')
    .action(
      act(async (session, name: string, node: string, options: { readonly note?: string; readonly onEvidence?: boolean }) => {
        const { note, onEvidence } = options;
        if ((note === undefined) === (onEvidence !== true)) {
          throw new AppError('INVALID_ARGUMENT', 'give either --note with who says so and why, or --on-evidence', { field: 'note' });
        }
        const volume =
          note === undefined
            ? await session.client.releaseGone({ name, node }, session.context)
            : await session.client.forceRelease({ name, node, note }, session.context);
        showVolume(session, volume);
      }),
    );

  program
    .command('transfer')
    .description('move the control operations of a volume to another node')
    .argument('<name>')
    .argument('<node>', 'the node that shall own it')
    .action(
      act(async (session, name: string, toNode: string) => {
        showVolume(session, await session.client.transferOwnership({ name, toNode }, session.context));
      }),
    );
}
