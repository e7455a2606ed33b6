import { InvalidArgumentError, Option, type Command } from 'commander';
import type {
  AccessMode,
  CreateVolumeRequest,
  ListVolumesRequest,
  Scope,
  StringMap,
  TakeoverPolicy,
  VolumeFilter,
  VolumeView,
} from '@volplane/domain';
import { accessModeOption, gather, gatherPairs, nodeOption, onNode, size, takeoverOption, type Act } from '../arguments.js';
import type { Session } from '../session.js';
import { printable } from '../text/table.js';
import { volumeFacts, volumeTable } from '../text/volume.js';
import { forEach } from './for-each.js';
import { distinct, everyPage } from './pages.js';

export function registerVolumes(program: Command, act: Act): void {
  program
    .command('create')
    .description('make a volume exist; the same again returns it')
    .argument('<name>', '2 to 128 of [a-zA-Z0-9_.-]')
    .option('-d, --driver <driver>', 'the driver; absent: local')
    .option('-o, --opt <key=value>', 'an option of the driver; may be repeated', gatherPairs)
    .option('-l, --label <key=value>', 'a label; may be repeated', gatherPairs)
    .addOption(accessModeOption())
    .addOption(takeoverOption())
    .option('-s, --size <size>', 'hard size, such as 10GiB, for drivers that keep one', size)
    .addOption(nodeOption('where a local volume lives; the wished-for owner of a global one'))
    .option('--topology <key=value>', 'only nodes with this label may own it; may be repeated', gatherPairs)
    .option('--from <volume[@snapshot]>', 'fill it from another volume or a snapshot of it', sourceOf)
    .action(act(create));

  program
    .command('ls')
    .alias('list')
    .description('list volumes: global ones first, each scope by name')
    .option('--name <name>', 'one of these names; may be repeated', gather)
    .option('--name-prefix <prefix>', 'names that begin so')
    .option('-d, --driver <driver>', 'one of these drivers; may be repeated', gather)
    .addOption(new Option('--scope <scope>', 'where they exist').choices(['local', 'global']))
    .option('-l, --label <key[=value]>', 'has this label; may be repeated, all must match', gatherPairs)
    .addOption(nodeOption('owned by, attached on, or living on this node'))
    .addOption(new Option('--dangling <bool>', 'true: used by nobody; false: in use').choices(['true', 'false']))
    .option('--stale', 'an answer from memory is good enough')
    .option('-q, --quiet', 'names only')
    .action(act(list));

  program
    .command('inspect')
    .description('show everything about volumes')
    .argument('<name...>')
    .addOption(nodeOption('as seen on this node'))
    .action(
      act(async (session, names: readonly string[], options: { readonly node?: string }) => {
        const volumes = await forEach(session, names, (name) => session.client.getVolume({ name, ...onNode(options) }, session.context));
        session.show(volumes, () => volumes.map(volumeFacts).join('\n\n'));
      }),
    );
}

/** One volume after a change. */
export function showVolume(session: Session, volume: VolumeView): void {
  session.show(volume, () => volumeTable([volume]));
}

interface CreateOptions {
  readonly driver?: string;
  readonly opt?: StringMap;
  readonly label?: StringMap;
  readonly accessMode?: AccessMode;
  readonly takeover?: TakeoverPolicy;
  readonly size?: number;
  readonly node?: string;
  readonly topology?: StringMap;
  readonly from?: { readonly volume: string; readonly snapshot?: string };
}

async function create(session: Session, name: string, options: CreateOptions): Promise<void> {
  const { driver, opt, label: labels, accessMode, takeover, size: sizeBytes, topology, from } = options;
  const request: CreateVolumeRequest = {
    name,
    ...(driver === undefined ? {} : { driver }),
    ...(opt === undefined ? {} : { options: opt }),
    ...(labels === undefined ? {} : { labels }),
    ...(accessMode === undefined ? {} : { accessMode }),
    ...(takeover === undefined ? {} : { takeover }),
    ...(sizeBytes === undefined ? {} : { sizeBytes }),
    ...onNode(options),
    ...(topology === undefined ? {} : { topology }),
    ...(from === undefined ? {} : { source: from }),
  };
  const volume = await session.client.createVolume(request, session.context);
  showVolume(session, volume);
  const kept = keptOtherwise(request, volume);
  if (kept.length > 0 && !session.isJson) {
    session.note(printable(`volume ${name} was there already and keeps its ${kept.join(' and ')}; volctl label changes them`));
  }
}

/** What a create does not change at a volume that exists, although it was asked for otherwise. */
function keptOtherwise({ labels = {}, takeover }: CreateVolumeRequest, volume: VolumeView): readonly string[] {
  const others = Object.entries(labels).some(([key, value]) => volume.labels[key] !== value);
  return [
    ...(others ? ['labels'] : []),
    ...(takeover === undefined || takeover === volume.takeover ? [] : [`takeover policy ${volume.takeover}`]),
  ];
}

function sourceOf(value: string): { readonly volume: string; readonly snapshot?: string } {
  const [volume = '', snapshot, ...rest] = value.split('@');
  if (volume === '' || snapshot === '' || rest.length > 0) throw new InvalidArgumentError('Use VOLUME or VOLUME@SNAPSHOT.');
  return snapshot === undefined ? { volume } : { volume, snapshot };
}

interface ListOptions {
  readonly name?: readonly string[];
  readonly namePrefix?: string;
  readonly driver?: readonly string[];
  readonly scope?: Scope;
  readonly label?: StringMap;
  readonly node?: string;
  readonly dangling?: 'true' | 'false';
  readonly stale?: boolean;
  readonly quiet?: boolean;
}

async function list(session: Session, options: ListOptions): Promise<void> {
  const { name, namePrefix, driver, scope, label: labels, dangling } = options;
  const filter: VolumeFilter = {
    ...(name === undefined ? {} : { names: name }),
    ...(namePrefix === undefined ? {} : { namePrefix }),
    ...(driver === undefined ? {} : { drivers: driver }),
    ...(scope === undefined ? {} : { scope }),
    ...(labels === undefined ? {} : { labels }),
    ...onNode(options),
    ...(dangling === undefined ? {} : { dangling: dangling === 'true' }),
  };
  const request: ListVolumesRequest = { pageSize: PAGE_SIZE, filter, ...(options.stale === true ? { stale: true } : {}) };
  const pages = await everyPage((page) => session.client.listVolumes({ ...request, ...page }, session.context));
  const volumes = pages.flatMap((page) => page.volumes);
  const unansweredNodes = distinct(pages.map((page) => page.unansweredNodes));
  const warnings = distinct(pages.map((page) => page.warnings));
  session.show({ volumes, unansweredNodes, warnings }, () =>
    options.quiet === true ? volumes.map((volume) => volume.name).join('\n') : volumeTable(volumes),
  );
  if (session.isJson) return;
  // They also name the nodes that did not answer, and say what is shown of theirs.
  for (const warning of warnings) session.note(printable(warning));
}

/** Small enough for the size of an answer even when volumes carry many labels. */
const PAGE_SIZE = 500;
