import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { ROOT } from './source-tree.js';

/** What a checking tool said and how it ended. */
export interface ToolResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A copy of the workspace that faults are planted in and the real configuration is run on. */
export interface PlantedCopy {
  /** Writes a file into the copy, in place of one that may be there. */
  plant(path: string, text: string): void;
  /** Runs a tool of the workspace in the copy. */
  run(bin: string, args: readonly string[]): Promise<ToolResult>;
  remove(): void;
}

/** Copies sources and settings; installed libraries are linked, and links between workspace packages lead into the copy. */
export function plantedCopy(): PlantedCopy {
  const folder = mkdtempSync(join(tmpdir(), 'volplane-planted-'));
  for (const name of readdirSync(ROOT)) {
    if (COPIED.has(name) || statSync(join(ROOT, name)).isFile()) copy(name, folder);
  }
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return {
    plant(path, text) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    },
    run: (bin, args) => runTool(folder, bin, args),
    remove() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const COPIED = new Set(['packages', 'services', 'proto', 'test', 'deploy']);
/** More than any of the tools prints. */
const OUTPUT_BYTES_MAX = 64_000_000;

function copy(name: string, folder: string): void {
  // Links as they stand: those of pnpm are relative.
  cpSync(join(ROOT, name), join(folder, name), { recursive: true, verbatimSymlinks: true, filter: (path) => basename(path) !== 'dist' });
}

function runTool(folder: string, bin: string, args: readonly string[]): Promise<ToolResult> {
  return new Promise((resolve) => {
    const command = [join(folder, 'node_modules', bin), ...args];
    execFile(process.execPath, command, { cwd: folder, maxBuffer: OUTPUT_BYTES_MAX }, (error, stdout, stderr) => {
      resolve({ exitCode: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}
