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
    .option('--options', 'show the options that each driver takes')
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
    ['NAME', 'SCOPE', 'ACCESS', 'TAKEOVER', 'CAN', 'NODES'],
    drivers.map(({ info: { name, capabilities }, nodes }) => [
      name,
      capabilities.scope,
      capabilities.accessModes.join(','),
      capabilities.takeover.join(','),
      ABILITIES.filter((ability) => capabilities[ability]).join(',') || '-',
      nodes.join(','),
    ]),
  );
}

function driverFacts({ info, nodes }: DriverView): string {
  return facts([
    ['name', `${info.name} (${info.capabilities.scope})`],
    ['nodes', nodes.join(', ')],
    ['options', Object.entries(info.options).map(([option, help]) => `${option}: ${help}`)],
  ]);
}
