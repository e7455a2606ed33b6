import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { BINARIES, ensureBinaries, ensureBinary } from '../../deploy/dev/setup/binaries.mjs';
import { RELEASES } from '../../deploy/dev/setup/releases.mjs';
import { refusal } from './refusal.js';

/**
 * The sources of a server, on a machine that the test makes up: a PATH of its own, with programs that play apt-get and dpkg-deb, and
 * a release page on loopback. The server has a name that no machine has.
 */
describe('finding and fetching servers', function () {
  if (process.platform !== 'linux') this.pending = true;
  const name = 'volplane-test-server';
  const program = '#!/bin/sh\necho 1.0\n';
  let folder: string;
  let lines: string[];

  const path = (...parts: string[]): string => join(folder, ...parts);
  const executable = (file: string, text: string): string => {
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, text);
    chmodSync(file, 0o755);
    return file;
  };
  const binary = (sha256 = '') => ({
    name,
    variable: 'VOLPLANE_BIN_TEST',
    versionArg: '--version',
    debianPackage: 'test-server',
    release: {
      page: 'https://example.org/releases',
      baseUrl: 'http://127.0.0.1:9/none',
      path: 'v1/ARCH.tar.gz',
      file: `r-ARCH/${name}`,
      sha256: { amd64: sha256, arm64: sha256 },
    },
  });
  const context = (env: Record<string, string> = {}, releaseBaseUrl?: string) => ({
    env: { PATH: path('bin'), ...env },
    cacheFolder: path('cache'),
    say: (line: string) => lines.push(line),
    ...(releaseBaseUrl === undefined ? {} : { releaseBaseUrl }),
  });
  const cached = (): string => path('cache/bin', name);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'volplane-binaries-'));
    lines = [];
    mkdirSync(path('bin'));
    for (const tool of ['tar', 'gzip', 'mkdir', 'cp', 'touch'])
      symlinkSync(execFileSync('/bin/sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).trim(), path('bin', tool));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('takes what the variable names before anything else', async () => {
    executable(path('bin', name), program);
    const named = executable(path('elsewhere/server'), program);
    expect(await ensureBinaries(context({ VOLPLANE_BIN_TEST: named }), [binary()])).to.deep.equal({ VOLPLANE_BIN_TEST: named });
  });

  it('refuses a variable that names no program, instead of taking another one', async () => {
    executable(path('bin', name), program);
    const error = await refusal(ensureBinary(binary(), context({ VOLPLANE_BIN_TEST: path('nothing') })));
    expect(error).to.match(/VOLPLANE_BIN_TEST is set to .*nothing, which is not an executable file/);
  });

  it('takes what is on PATH before it fetches, and what was fetched before it fetches again', async () => {
    executable(cached(), program);
    expect(await ensureBinary(binary(), context())).to.equal(cached());
    executable(path('bin', name), program);
    expect(await ensureBinary(binary(), context())).to.equal(path('bin', name));
    expect(lines).to.deep.equal([]);
  });

  describe('from the packages of the distribution', () => {
    const dpkg = (contents: string): string => `#!/bin/sh\nmkdir -p "$3/usr/sbin"\ncp "${contents}" "$3/usr/sbin/${name}"\n`;

    it('downloads and unpacks the package, and keeps the program only', async () => {
      executable(path('bin/apt-get'), '#!/bin/sh\ntouch test-server_1.0_amd64.deb\n');
      executable(path('bin/dpkg-deb'), dpkg(executable(path('program'), program)));
      expect(await ensureBinary(binary(), context())).to.equal(cached());
      expect(readFileSync(cached(), 'utf8')).to.equal(program);
      expect(readdirSync(path('cache'))).to.deep.equal(['bin']);
    });

    it('reads the lists into a folder of its own when the machine has none', async () => {
      // Like apt-get without lists: it downloads only after an update, with the same folders given both times.
      const state = path('state');
      const script = ['#!/bin/sh', 'for word; do case $word in -o=Dir::State=*) given=$word;; esac; last=$word; done'];
      script.push('[ -z "$given" ] && { echo "E: Unable to locate package"; exit 100; }');
      script.push(
        `case $last in update) echo "$given" > "${state}";; *) read -r known < "${state}" && [ "$known" = "$given" ] && touch x.deb;; esac`,
      );
      executable(path('bin/apt-get'), `${script.join('\n')}\n`);
      executable(path('bin/dpkg-deb'), dpkg(executable(path('program'), program)));
      expect(await ensureBinary(binary(), context())).to.equal(cached());
      expect(readFileSync(state, 'utf8')).to.contain(path('cache'));
    });

    it('does not keep a program that does not run', async () => {
      executable(path('bin/apt-get'), '#!/bin/sh\ntouch test-server_1.0_amd64.deb\n');
      executable(path('bin/dpkg-deb'), dpkg(executable(path('program'), '#!/bin/sh\necho "needs another libc"; exit 1\n')));
      const error = await refusal(ensureBinary(binary(), context()));
      expect(error).to.contain('needs another libc');
      expect(existsSync(cached())).to.equal(false);
    });
  });

  describe('from the official release', () => {
    let server: Server;
    let baseUrl: string;
    let archive: Buffer;
    let asked: string[];

    beforeEach(async () => {
      const arch = process.arch === 'x64' ? 'amd64' : process.arch;
      executable(path(`release/r-${arch}`, name), program);
      execFileSync('tar', ['-czf', path('release.tar.gz'), '-C', path('release'), `r-${arch}/${name}`]);
      archive = readFileSync(path('release.tar.gz'));
      asked = [];
      server = createServer((request, response) => {
        asked.push(request.url ?? '');
        if (request.url === `/v1/${arch}.tar.gz`) response.end(archive);
        else response.writeHead(404).end();
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      baseUrl = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
    });

    const stop = async (): Promise<void> => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    };

    afterEach(stop);

    const sha256 = (): string => createHash('sha256').update(archive).digest('hex');

    it('is taken on a machine without apt-get', async () => {
      expect(await ensureBinary(binary(sha256()), context({}, baseUrl))).to.equal(cached());
      expect(readFileSync(cached(), 'utf8')).to.equal(program);
      expect(readdirSync(path('cache'))).to.deep.equal(['bin']);
      expect(asked).to.have.length(1);
    });

    it('is not used when its checksum is another one', async () => {
      const error = await refusal(ensureBinary(binary('00'), context({}, baseUrl)));
      expect(error).to.contain(`has the checksum ${sha256()} and not 00`);
      expect(existsSync(cached())).to.equal(false);
    });

    it('is not waited for when the page does not have it, or does not answer', async () => {
      const missing = await refusal(ensureBinary(binary(sha256()), context({}, `${baseUrl}/elsewhere`)));
      expect(missing).to.contain('HTTP 404');
      await stop();
      const silent = await refusal(ensureBinary(binary(sha256()), context({}, baseUrl)));
      expect(silent).to.contain('ECONNREFUSED');
    });
  });

  it('says what it tried and what to do when every source fails', async () => {
    const error = await refusal(ensureBinary(binary(), context()));
    for (const part of [
      'PATH: no volplane-test-server',
      'this machine has no apt-get',
      'the official release:',
      'Debian and Ubuntu: test-server',
      'https://example.org/releases',
      'set VOLPLANE_BIN_TEST',
    ]) {
      expect(error).to.contain(part);
    }
  });

  it('pins a checksum for each release and machine', () => {
    expect(BINARIES.map((each) => each.release)).to.have.members(Object.values(RELEASES));
    for (const { sha256, path: place, file } of Object.values(RELEASES)) {
      expect(Object.keys(sha256)).to.deep.equal(['amd64', 'arm64']);
      for (const sum of Object.values(sha256)) expect(sum).to.match(/^[0-9a-f]{64}$/);
      expect(place).to.contain('ARCH');
      expect(file).to.contain('ARCH');
    }
  });
});
