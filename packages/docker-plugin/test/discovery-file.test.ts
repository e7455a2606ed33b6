import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rejection } from '@volplane/testkit';
import { expect } from 'chai';
import { writeDiscoveryFile } from '../src/discovery-file.js';

describe('discovery file', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'volplane-specs-'));
  });

  afterEach(() => rm(folder, { recursive: true }));

  it('takes the place of its own of an earlier life, and of nobody else', async () => {
    await writeDiscoveryFile(folder, { name: 'volplane', host: '10.0.0.1', port: 7500 });
    await writeDiscoveryFile(folder, { name: 'volplane', host: '10.0.0.1', port: 7501 });
    const path = join(folder, 'volplane.spec');
    expect(await readFile(path, 'utf8')).to.equal('tcp://10.0.0.1:7501\n');
    await writeFile(path, 'tcp://10.0.0.2:7500\n');
    const refused = await rejection(writeDiscoveryFile(folder, { name: 'volplane', host: '10.0.0.1', port: 7501 }));
    expect(refused).to.include({ reason: 'FOREIGN_DATA' });
    expect(await readFile(path, 'utf8')).to.equal('tcp://10.0.0.2:7500\n');
  });
});
