import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { protoFolder } from '@volplane/wire';
import { expect } from 'chai';
import { GENERATED_FOLDER, generateTypes } from '../scripts/generate-types.js';
import { GENERATOR_FLAGS, LOADER_OPTIONS, PROTO_FILES } from '../src/loader-options.js';

describe('generated types', () => {
  it('are what the generator makes of the proto files now (pnpm --filter @volplane/wire generate)', () => {
    const folder = mkdtempSync(join(tmpdir(), 'volplane-generated-'));
    try {
      generateTypes(folder);
      expect(readFolder(GENERATED_FOLDER)).to.deep.equal(readFolder(folder));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('are made with the options of the loader', () => {
    const ofFlags = GENERATOR_FLAGS.map((flag) => flag.slice(2)).filter(
      (flag) => !FLAGS_OF_OUTPUT.some((name) => flag.startsWith(`${name}=`)),
    );
    const ofOptions = Object.entries(LOADER_OPTIONS).map(([name, value]) => (value === true ? name : `${name}=${value.name}`));
    expect(ofFlags).to.have.members(ofOptions);
  });

  it('cover every proto file of ours, directly or through an import', () => {
    const files = readdirSync(join(protoFolder(), 'volplane/v1')).map((name) => `volplane/v1/${name}`);
    const imported = PROTO_FILES.flatMap((file) =>
      [...readFileSync(join(protoFolder(), file), 'utf8').matchAll(/^import "(.*)";$/gm)].map(([, name]) => name),
    );
    expect([...PROTO_FILES, ...imported]).to.include.members(files);
  });
});

/** Flags that say how the files are written and nothing about the shape of a message. */
const FLAGS_OF_OUTPUT = ['importFileExtension', 'inputTemplate', 'outputTemplate'];

function readFolder(folder: string): Record<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    entries
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => [path.slice(folder.length), readFileSync(path, 'utf8')]),
  );
}
