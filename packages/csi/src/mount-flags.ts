/** Why these flags cannot be had, in words; undefined = they can. */
export function flagFault(flags: readonly string[]): string | undefined {
  const unknown = flags.find((flag) => !MOUNT_FLAGS.has(flag));
  if (unknown === undefined) return undefined;
  return `mount flag ${JSON.stringify(unknown)} cannot be set on one mount of a volume; known are ${[...MOUNT_FLAGS].join(', ')}; options of a file system belong into the parameters`;
}

/** The flags for mount(8) without `ro` and `rw`, which travel apart. */
export function bindFlags(flags: readonly string[]): readonly string[] {
  return [...new Set(flags)].filter((flag) => flag !== 'ro' && flag !== 'rw');
}

/** What the kernel keeps for each mount, so that one target can differ from another of the same volume. */
const MOUNT_FLAGS: ReadonlySet<string> = new Set([
  'ro',
  'rw',
  'nosuid',
  'suid',
  'nodev',
  'dev',
  'noexec',
  'exec',
  'noatime',
  'atime',
  'relatime',
  'nodiratime',
  'diratime',
  'strictatime',
]);
