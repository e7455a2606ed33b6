import type { Command } from 'commander';
import { AppError } from '@volplane/base';
import type { StringMap, TakeoverPolicy, UpdateLabelsRequest } from '@volplane/domain';
import { count, gatherPairs, nodeOption, onNode, size, takeoverOption, type Act } from '../arguments.js';
import type { Session } from '../session.js';
import { facts } from '../text/table.js';
import { pairLines } from '../text/volume.js';
import { forEach } from './for-each.js';
import { showVolume } from './volumes.js';

export function registerVolumeChanges(program: Command, act: Act): void {
  program
    .command('rm')
    .description('remove volumes and destroy their data')
    .argument('<name...>')
    .addOption(nodeOption('the local volume of this node'))
    .option('--uid <uid>', 'only the volume with this uid, never a later one of the same name')
    .action(
      act(async (session, names: readonly string[], options: { readonly node?: string; readonly uid?: string }) => {
        const uid = options.uid === undefined ? {} : { uid: options.uid };
        if (options.uid !== undefined && names.length > 1) {
          throw new AppError('INVALID_ARGUMENT', 'a uid is that of one volume: give --uid with one name', { field: 'uid' });
        }
        await forEach(session, names, async (name) => {
          await session.client.removeVolume({ name, ...onNode(options), ...uid }, session.context);
          session.showLine({ removed: name }, () => name);
        });
      }),
    );

  program
    .command('forget')
    .description('forget the record of volumes and leave their data where it is')
    .argument('<name...>')
    .addOption(nodeOption('the local volume of this node'))
    .action(
      act(async (session, names: readonly string[], options: { readonly node?: string }) => {
        await forEach(session, names, async (name) => {
          await session.client.forgetVolume({ name, ...onNode(options) }, session.context);
          session.showLine({ forgotten: name }, () => name);
        });
      }),
    );

  program
    .command('label')
    .description('set labels with KEY=VALUE and drop them with KEY-; or set the policy of takeover')
    .argument('<name>')
    .argument('[labels...]', 'KEY=VALUE, KEY for an empty value, or KEY- to drop it')
    .addOption(nodeOption('the local volume of this node'))
    .addOption(takeoverOption())
    .option('--generation <number>', 'refuse if the volume changed since this generation', count)
    .action(act(label));

  program
    .command('expand')
    .description('make a volume at least so large')
    .argument('<name>')
    .argument('<size>', 'such as 20GiB', size)
    .addOption(nodeOption('the local volume of this node'))
    .action(
      act(async (session, name: string, sizeBytes: number, options: { readonly node?: string }) => {
        showVolume(session, await session.client.expandVolume({ name, sizeBytes, ...onNode(options) }, session.context));
      }),
    );
}

async function label(
  session: Session,
  name: string,
  labels: readonly string[],
  options: { readonly node?: string; readonly takeover?: TakeoverPolicy; readonly generation?: number },
): Promise<void> {
  if (labels.length === 0 && options.takeover === undefined) {
    throw new AppError('INVALID_ARGUMENT', 'say what to change: KEY=VALUE, KEY- or --takeover', { field: 'labels' });
  }
  const dropped = labels.filter((word) => !word.includes('=') && word.endsWith('-'));
  let set: StringMap = {};
  for (const word of labels) if (!dropped.includes(word)) set = gatherPairs(word, set);
  const request: UpdateLabelsRequest = {
    name,
    ...onNode(options),
    set,
    drop: dropped.map((word) => word.slice(0, -1)),
    ...(options.generation === undefined ? {} : { expectedGeneration: options.generation }),
    ...(options.takeover === undefined ? {} : { takeover: options.takeover }),
  };
  const volume = await session.client.updateLabels(request, session.context);
  session.show(volume, () =>
    facts([
      ['name', volume.name],
      ['generation', String(volume.generation)],
      ['takeover', volume.takeover],
      ['labels', pairLines(volume.labels)],
    ]),
  );
}
