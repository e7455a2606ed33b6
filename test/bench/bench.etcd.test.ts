import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';

/** The benches at their smallest: that they run and write what they promise. What they measure here says nothing. */
describe('benches', function () {
  this.timeout(180_000);
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'volplane-bench-out-'));
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  const run = async (file: string, ...args: readonly string[]): Promise<string> => {
    const main = fileURLToPath(new URL(file, import.meta.url));
    const loaded = ['--import=tsx', '--conditions=@volplane/source'];
    const { stdout } = await promisify(execFile)(process.execPath, [...loaded, main, `--out=${folder}`, ...args]);
    return stdout;
  };

  it('measures every call of ours and what it is compared with', async () => {
    const tiny = ['--callers=1,2', '--measure-ms=100', '--warmup-ms=0', '--heat-ms=0', '--docker=no'];
    const table = await run('main.ts', ...tiny);
    for (const workload of [
      'echo',
      'etcd-create',
      'bare-create',
      'bare-pair',
      'create',
      'create-batch',
      'get',
      'list',
      'mount-pair-agent',
      'remove',
    ]) {
      expect(table).to.match(new RegExp(`^\\| ${workload} `, 'm'));
    }
    const { results } = JSON.parse(await readFile(join(folder, 'results.json'), 'utf8')) as {
      readonly results: readonly { workload: string }[];
    };
    expect(results.filter(({ workload }) => workload === 'create')).to.have.length(2);
    expect((await readdir(folder)).sort()).to.deep.equal(['create.svg', 'other.svg', 'read.svg', 'results.json']);
  });

  it('measures the growth of volumes and nodes, and the loss of some', async () => {
    const text = await run('scale-main.ts', '--volumes=20,40', '--nodes=2,4', '--idle-seconds=1', '--lost-share=25');
    expect(text).to.contain('1 nodes lost at once');
    const { stages } = JSON.parse(await readFile(join(folder, 'scale.json'), 'utf8')) as {
      readonly stages: readonly { volumes: number }[];
    };
    expect(stages.map(({ volumes }) => volumes)).to.deep.equal([20, 40]);
  });
});
