import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { waitFor } from '@volplane/testkit';
import type { ChildProcesses } from '../../../deploy/dev/swarm/child-processes.js';
import type { ControlPlane } from './control-plane.js';
import { toolsFolder } from './kubernetes-suite.js';

export const MANIFESTS = fileURLToPath(new URL('../../../deploy/kubernetes', import.meta.url));
export const NAMESPACE = 'volplane';

/** The containers of deploy/kubernetes/controller.yaml that are sidecars of others, and their programs. */
const PROGRAMS: Readonly<Record<string, string>> = {
  provisioner: 'csi-provisioner',
  attacher: 'csi-attacher',
  resizer: 'csi-resizer',
  snapshotter: 'csi-snapshotter',
};

interface Container {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
}

/** The containers of a manifest, as they stand there. */
export async function containersOf(file: string): Promise<readonly Container[]> {
  const text = await readFile(join(MANIFESTS, file), 'utf8');
  return parseAllDocuments(text).flatMap((document) => {
    const object = document.toJS() as { readonly spec?: { readonly template?: { readonly spec: { readonly containers: Container[] } } } };
    return object.spec?.template?.spec.containers ?? [];
  });
}

/**
 * Runs the sidecars with the flags of the manifest and the rights of its service account, each as if it were in a pod of the
 * deployment, which must have been applied.
 */
export async function startSidecars(control: ControlPlane, processes: ChildProcesses, socket: string): Promise<void> {
  const { api } = control;
  const pod = await waitFor(
    async () =>
      (await api.list(`/api/v1/namespaces/${NAMESPACE}/pods`)).find(({ metadata }) => metadata.name.startsWith('volplane-controller-')),
    { what: 'the deployment has a pod' },
  );
  const token = await api.kubectl(['create', 'token', 'volplane-controller', `--namespace=${NAMESPACE}`, '--duration=4h']);
  const config = await control.writeConfig('sidecars', token.trim());
  const env = { ...process.env, NAMESPACE, POD_NAME: pod.metadata.name };
  for (const { name, args = [] } of await containersOf('controller.yaml')) {
    const program = PROGRAMS[name];
    if (program === undefined) continue;
    // One after the other: each is a process that starts on a machine of two cores.
    await startSidecar(processes, { name, program, args: [...onHost(args, socket), `--kubeconfig=${config}`], env });
  }
}

/** One thing that a sidecar does at the API server, as `kubectl auth can-i` takes it. */
export interface Right {
  readonly verb: string;
  /** `resource.group`, or `resource/part`. */
  readonly resource: string;
  readonly sidecar: string;
}

/** What each sidecar's own people say that it needs, but for objects that no plugin of ours has. */
export async function rightsWanted(): Promise<readonly Right[]> {
  const perSidecar = await Promise.all(
    Object.keys(PROGRAMS).map(async (sidecar) => {
      const text = await readFile(join(toolsFolder(), 'rbac', `${sidecar}.yaml`), 'utf8');
      const roles = parseAllDocuments(text).map((document) => document.toJS() as { readonly rules?: readonly Rule[] } | null);
      return roles.flatMap((role) => role?.rules ?? []).flatMap((rule) => rightsOf(rule, sidecar));
    }),
  );
  return perSidecar.flat().filter(({ resource }) => !resource.includes('groupsnapshot'));
}

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

function rightsOf({ apiGroups, resources, verbs }: Rule, sidecar: string): readonly Right[] {
  return apiGroups.flatMap((group) =>
    resources.flatMap((text) => {
      const [name = '', part] = text.split('/');
      const resource = `${name}${group === '' ? '' : `.${group}`}${part === undefined ? '' : `/${part}`}`;
      return verbs.map((verb) => ({ verb, resource, sidecar }));
    }),
  );
}

/** The controller of the cluster that every snapshotter works with; no part of a plugin. */
export async function startSnapshotController(control: ControlPlane, processes: ChildProcesses): Promise<void> {
  const config = join(control.folder, 'admin.conf');
  await startSidecar(processes, {
    name: 'snapshot-controller',
    program: 'snapshot-controller',
    args: [`--kubeconfig=${config}`],
    env: process.env,
  });
}

/** A pod knows its namespace from a file that is not here, and the socket by the path in its container. */
function onHost(args: readonly string[], socket: string): readonly string[] {
  return args
    .map((arg) => arg.replace('/csi/csi.sock', socket))
    .flatMap((arg) => (arg === ELECTION ? [arg, `${ELECTION}-namespace=${NAMESPACE}`] : [arg]));
}

async function startSidecar(
  processes: ChildProcesses,
  sidecar: { readonly name: string; readonly program: string; readonly args: readonly string[]; readonly env: NodeJS.ProcessEnv },
): Promise<void> {
  const { name, program, args, env } = sidecar;
  const command = { name, command: join(toolsFolder(), 'bin', program), args, env };
  // It says nothing when it is ready; what it does is waited for where it is used.
  await processes.start(command, async () => true);
}

const ELECTION = '--leader-election';
