import type { Command } from 'commander';
import type { DriverView } from '@volplane/domain';
import { nodeOption, onNode, type Act } from '../arguments.js';
import { formatSize } from '../text/size.js';
import { facts, table } from '../text/table.js';

export function registerDrivers(program: Command, act: Act): void {
  program
    .command('drivers')
    .description('list the drivers, what they can do and where they run')
    .addOption(nodeOption('only those of this node'))
    .option('--options', 'show every access mode and the options that each driver takes')
    .action(
      act(async (session, options: { readonly node?: string; readonly options?: boolean }) => {
        const drivers = await session.client.listDrivers(onNode(options), session.context);
        session.show(drivers, () => (options.options === true ? drivers.map(driverFacts).join('\n\n') : driverTable(drivers)));
      }),
    );

  program
    .command('capacity')
    .description('show what the storage of a driver has room for')
    .argument('<driver>')
    .addOption(nodeOption('the storage of this node'))
    .action(
      act(async (session, driver: string, options: { readonly node?: string }) => {
        const capacity = await session.client.getCapacity({ driver, ...onNode(options) }, session.context);
        session.show(capacity, () =>
          facts([
            ['available', formatSize(capacity.availableBytes)],
            ['largest volume', formatSize(capacity.volumeBytesMax)],
            ['smallest volume', formatSize(capacity.volumeBytesMin)],
          ]),
        );
      }),
    );
}

/** Capabilities that are there or not. */
const ABILITIES = ['size', 'expand', 'snapshot', 'clone', 'block', 'abort', 'fence'] as const;

function driverTable(drivers: readonly DriverView[]): string {
  return table(
    // The first access mode is what a volume gets that asks for none; all five would fill the screen.
    ['NAME', 'SCOPE', 'DEFAULT ACCESS', 'TAKEOVER', 'CAN', 'NODES'],
    drivers.map(({ info: { name, capabilities }, nodes }) => [
      name,
      capabilities.scope,
      capabilities.accessModes[0] ?? '-',
      capabilities.takeover.join(','),
      abilitiesOf(capabilities).join(',') || '-',
      nodes.join(','),
    ]),
  );
}

function abilitiesOf(capabilities: DriverView['info']['capabilities']): readonly string[] {
  return ABILITIES.filter((ability) => capabilities[ability]);
}

function driverFacts({ info, nodes }: DriverView): string {
  return facts([
    ['name', `${info.name} (${info.capabilities.scope})`],
    ['nodes', nodes.join(', ')],
    ['access modes', info.capabilities.accessModes.join(', ')],
    ['takeover', info.capabilities.takeover.join(', ')],
    ['can', abilitiesOf(info.capabilities).join(', ') || '-'],
    ['options', Object.entries(info.options).map(([option, help]) => `${option}: ${help}`)],
  ]);
}
