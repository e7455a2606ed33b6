import { settingRows, type SettingTable } from '@volplane/base';
import { AGENT_SETTINGS } from '../../../services/agent/src/config.js';
import { CTL_SETTINGS, ENVIRONMENT_PREFIX } from '../../../services/ctl/src/config.js';
import { MANAGER_SETTINGS } from '../../../services/manager/src/config.js';
import { SWARM_SETTINGS } from '../swarm/swarm-options.js';

/** docs/configuration.md: every setting, from the tables of the processes. */
export function configurationPage(): string {
  return [
    INTRODUCTION,
    section('Manager', 'VOLPLANE_MANAGER', MANAGER_SETTINGS),
    section('Agent', 'VOLPLANE_AGENT', AGENT_SETTINGS),
    section('volctl', ENVIRONMENT_PREFIX, CTL_SETTINGS),
    section('Development swarm', 'VOLPLANE_DEV', SWARM_SETTINGS),
  ].join('\n\n');
}

const INTRODUCTION = `# Configuration

Each setting is a flag and an environment variable of the same meaning; the flag wins. A process that is set wrongly names every
fault at once and ends with exit code 78. \`--help\` shows the settings, \`--check-config\` checks them and ends, \`--print-config\` prints
them and ends. volctl takes its settings with any command, and ends with exit code 2 for a wrong one. Passwords come from files and are
never shown.`;

function section(title: string, prefix: string, table: SettingTable): string {
  return [`## ${title}\n`, '| Flag | Variable | Default | Meaning |', '| --- | --- | --- | --- |', ...settingRows(table, prefix)].join(
    '\n',
  );
}
