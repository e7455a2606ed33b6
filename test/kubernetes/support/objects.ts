import { POD_IMAGE } from './busybox-archive.js';
import type { NodeName } from './kube-world.js';

/** The objects that users write, with what a test wants to say of them. */

export function claim(
  name: string,
  storageClass: string,
  more: { readonly mib?: number; readonly modes?: readonly string[]; readonly spec?: object } = {},
): object {
  const { mib = 300, modes = ['ReadWriteOnce'], spec = {} } = more;
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name, namespace: 'default' },
    spec: { storageClassName: storageClass, accessModes: modes, resources: { requests: { storage: `${String(mib)}Mi` } }, ...spec },
  };
}

export interface PodWish {
  readonly claim: string;
  readonly node?: NodeName;
  /** A shell command; the volume is at /data. Without one the pod sleeps until it is deleted. */
  readonly command?: string;
  readonly spec?: object;
  readonly mount?: object;
}

export function pod(name: string, wish: PodWish): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: podSpec(wish),
  };
}

function podSpec(wish: PodWish): object {
  const { node, command = SLEEP, spec = {}, mount = {} } = wish;
  return {
    hostNetwork: true,
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: 1,
    automountServiceAccountToken: false,
    ...(node === undefined ? {} : { nodeSelector: { 'kubernetes.io/hostname': node } }),
    // Soon after its node is gone, and not after five minutes.
    tolerations: ['not-ready', 'unreachable'].map((key) => ({
      key: `node.kubernetes.io/${key}`,
      operator: 'Exists',
      effect: 'NoExecute',
      tolerationSeconds: 2,
    })),
    volumes: [{ name: 'data', persistentVolumeClaim: { claimName: wish.claim } }],
    containers: [
      {
        name: 'main',
        image: POD_IMAGE,
        imagePullPolicy: 'Never',
        command: ['/bin/sh', '-c', command],
        ...('volumeDevices' in mount ? {} : { volumeMounts: [{ name: 'data', mountPath: '/data', ...mount }] }),
        ...('volumeDevices' in mount ? mount : {}),
      },
    ],
    ...spec,
  };
}

/** One pod that is made anew, elsewhere if need be. */
export function statefulSet(name: string, wish: PodWish): object {
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name, namespace: 'default' },
    spec: {
      replicas: 1,
      serviceName: name,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { ...podSpec(wish), restartPolicy: 'Always' } },
    },
  };
}

export function storageClass(name: string, parameters: Readonly<Record<string, string>>): object {
  return {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name },
    provisioner: 'csi.volplane.io',
    allowVolumeExpansion: true,
    parameters,
  };
}

export function snapshot(name: string, ofClaim: string): object {
  return {
    apiVersion: 'snapshot.storage.k8s.io/v1',
    kind: 'VolumeSnapshot',
    metadata: { name, namespace: 'default' },
    spec: { volumeSnapshotClassName: 'volplane', source: { persistentVolumeClaimName: ofClaim } },
  };
}

export function attributesClass(name: string, parameters: Readonly<Record<string, string>>): object {
  return { apiVersion: 'storage.k8s.io/v1', kind: 'VolumeAttributesClass', metadata: { name }, driverName: 'csi.volplane.io', parameters };
}

export const CLAIMS = '/api/v1/namespaces/default/persistentvolumeclaims';
export const PODS = '/api/v1/namespaces/default/pods';
export const VOLUMES = '/api/v1/persistentvolumes';
export const SNAPSHOTS = '/apis/snapshot.storage.k8s.io/v1/namespaces/default/volumesnapshots';

const SLEEP = 'trap "exit 0" TERM; while true; do sleep 1; done';
