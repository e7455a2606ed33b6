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

  it('are not switched on by a variable that is there and empty, as templates leave it', () => {
    for (const [word, expected] of [
      ['', false],
      ['0', false],
      ['false', false],
      ['1', true],
      ['true', true],
    ] as const) {
      expect(boolean(word)).to.equal(expected, JSON.stringify(word));
    }
    expect(() => boolean('yes')).to.throw('is neither true nor false');
  });
});
