import { expect } from 'chai';
import { boolean, readSettings, settingRows, text, type SettingTable } from '../src/index.js';

describe('settings', () => {
  const table = {
    name: { help: 'Name of it.', fallback: undefined, otherwise: 'the host name', parse: text },
    label: { help: 'Its label.', fallback: '', otherwise: 'the first a|b', parse: text },
    folder: { help: 'Its folder.', fallback: undefined, parse: text },
    size: { help: 'Its size.', fallback: '7', parse: text },
    user: { help: 'Its user.', fallback: '', parse: text },
  } satisfies SettingTable;

  it('are shown with what the process takes for one that is not set', () => {
    expect(settingRows(table, 'APP')).to.deep.equal([
      '| `--name` | `APP_NAME` | the host name | Name of it. |',
      '| `--label` | `APP_LABEL` | the first a\\|b | Its label. |',
      '| `--folder` | `APP_FOLDER` | (required) | Its folder. |',
      '| `--size` | `APP_SIZE` | `7` | Its size. |',
      '| `--user` | `APP_USER` | (none) | Its user. |',
    ]);
    const help = readSettings(table, { argv: ['--help'], env: {}, prefix: 'APP', usage: 'app' });
    expect(help.type === 'help' ? help.text.split('\n').filter((line) => line.startsWith('  --')) : []).to.deep.equal([
      '  --name  (APP_NAME; default: the host name)',
      '  --label  (APP_LABEL; default: the first a|b)',
      '  --folder  (APP_FOLDER; required)',
      '  --size  (APP_SIZE; default: 7)',
      '  --user  (APP_USER; default: none)',
      '  --help',
      '  --print-config',
      '  --check-config',
    ]);
  });

  it('that are true or false are neither when a variable is there without a value', () => {
    const on = { on: { help: 'Whether.', fallback: 'false', parse: boolean } } satisfies SettingTable;
    const read = (env: Record<string, string>): unknown => {
      const outcome = readSettings(on, { argv: [], env, prefix: 'APP', usage: 'app' });
      return outcome.type === 'settings' ? outcome.settings.on : outcome;
    };
    expect(['true', '1', 'false', '0'].map((value) => read({ APP_ON: value }))).to.deep.equal([true, true, false, false]);
    expect(read({ APP_ON: '' })).to.deep.equal({ type: 'faults', faults: ['--on (or APP_ON) "" is neither true nor false'] });
  });
});
