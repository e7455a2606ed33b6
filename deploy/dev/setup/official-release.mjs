import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageOf, run, SetupError } from './process.mjs';

/** @typedef {import('./binaries.mjs').Binary} Binary @typedef {import('./binaries.mjs').BinaryContext} BinaryContext */

/** Until the first byte. */
const ANSWER_TIMEOUT_MS = 30_000;
/** For the whole archive: 30 MB over a slow line. */
const DOWNLOAD_TIMEOUT_MS = 10 * 60_000;
/** No release is near this; more means that it is something else. */
const ARCHIVE_BYTES_MAX = 200_000_000;
const PROGRESS_BYTES = 5_000_000;

/**
 * Downloads the pinned official release, checks it against its checksum and unpacks it.
 *
 * @param {Binary} binary
 * @param {string} folder an empty one
 * @param {BinaryContext} context
 * @returns {Promise<string>} the path of the executable below `folder`
 */
export async function fromOfficialRelease(binary, folder, context) {
  const { release } = binary;
  const arch = machineArch(release);
  const url = `${context.releaseBaseUrl ?? release.baseUrl}/${release.path.replaceAll('ARCH', arch)}`;
  const archive = join(folder, 'release.tar.gz');
  context.say(`${binary.name}: downloading ${url}`);
  const actual = await download(url, archive, (line) => {
    context.say(`${binary.name}: ${line}`);
  });
  const expected = release.sha256[arch];
  if (actual !== expected) throw new SetupError(`${url} has the checksum ${actual} and not ${String(expected)}; it was not used`);
  const file = release.file.replaceAll('ARCH', arch);
  await run('tar', ['-xzf', archive, '-C', folder, file], { env: context.env });
  return join(folder, file);
}

/** @param {import('./releases.mjs').Release} release */
function machineArch(release) {
  const arch = { x64: 'amd64', arm64: 'arm64' }[/** @type {string} */ (process.arch)];
  if (process.platform === 'linux' && arch !== undefined && arch in release.sha256) return arch;
  throw new SetupError(`no release is pinned for ${process.platform} on ${process.arch}`);
}

/**
 * @param {string} url
 * @param {string} target
 * @param {(line: string) => void} say
 * @returns {Promise<string>} the SHA-256 of what was written, hexadecimal
 */
async function download(url, target, say) {
  const response = await answer(url);
  const bytesTotal = Number(response.headers.get('content-length') ?? 0);
  const hash = createHash('sha256');
  let bytes = 0;
  let bytesShown = 0;
  const meter = new Transform({
    transform(/** @type {Buffer} */ chunk, _encoding, done) {
      bytes += chunk.length;
      hash.update(chunk);
      if (bytes - bytesShown >= PROGRESS_BYTES) {
        bytesShown = bytes;
        say(`${megabytes(bytes)}${bytesTotal > 0 ? ` of ${megabytes(bytesTotal)}` : ''}`);
      }
      done(bytes > ARCHIVE_BYTES_MAX ? new SetupError(`${url} is larger than ${megabytes(ARCHIVE_BYTES_MAX)}`) : null, chunk);
    },
  });
  if (response.body === null) throw new SetupError(`${url}: empty answer`);
  try {
    await pipeline(Readable.fromWeb(response.body), meter, createWriteStream(target), { signal: AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS) });
  } catch (error) {
    throw error instanceof SetupError ? error : new SetupError(`${url}: broke off after ${megabytes(bytes)}: ${messageOf(error)}`, error);
  }
  return hash.digest('hex');
}

/** @param {string} url */
async function answer(url) {
  const controller = new AbortController();
  const timer = setTimeout(() => {
    controller.abort(new SetupError(`no answer within ${String(ANSWER_TIMEOUT_MS / 1000)} s`));
  }, ANSWER_TIMEOUT_MS);
  try {
    const response = await fetch(url, { signal: controller.signal });
    if (!response.ok) throw new SetupError(`HTTP ${String(response.status)}`);
    return response;
  } catch (error) {
    throw new SetupError(`${url}: ${messageOf(error)}`, error);
  } finally {
    clearTimeout(timer);
  }
}

/** @param {number} bytes */
function megabytes(bytes) {
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
