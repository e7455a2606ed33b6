/**
 * The official releases that the set-up falls back to, pinned by checksum.
 *
 * @typedef {object} Release
 * @property {string} page where people find it
 * @property {string} baseUrl
 * @property {string} path of the archive under the base, with ARCH for the machine
 * @property {string} file the executable inside of the archive, with ARCH likewise
 * @property {Readonly<Record<string, string>>} sha256 of the archive, by ARCH
 */

const ETCD_VERSION = '3.5.21';
const NATS_VERSION = '2.11.17';

const ETCD_ARCHIVE = {
  page: 'https://github.com/etcd-io/etcd/releases',
  baseUrl: 'https://github.com/etcd-io/etcd/releases/download',
  path: `v${ETCD_VERSION}/etcd-v${ETCD_VERSION}-linux-ARCH.tar.gz`,
  sha256: {
    amd64: 'adddda4b06718e68671ffabff2f8cee48488ba61ad82900e639d108f2148501c',
    arm64: '95bf6918623a097c0385b96f139d90248614485e781ec9bee4768dbb6c79c53f',
  },
};

/** @type {{ readonly etcd: Release, readonly etcdctl: Release, readonly natsServer: Release }} */
export const RELEASES = {
  etcd: { ...ETCD_ARCHIVE, file: `etcd-v${ETCD_VERSION}-linux-ARCH/etcd` },
  etcdctl: { ...ETCD_ARCHIVE, file: `etcd-v${ETCD_VERSION}-linux-ARCH/etcdctl` },
  natsServer: {
    page: 'https://github.com/nats-io/nats-server/releases',
    baseUrl: 'https://github.com/nats-io/nats-server/releases/download',
    path: `v${NATS_VERSION}/nats-server-v${NATS_VERSION}-linux-ARCH.tar.gz`,
    file: `nats-server-v${NATS_VERSION}-linux-ARCH/nats-server`,
    sha256: {
      amd64: 'ad608dd0ea8bbfa58c40e3b8f58ed67478eec26166ec49c502db8d17589b51b5',
      arm64: 'd21df24f262f34f8bf6d1f0bca557c08429e433fd9f60f6983105539ae517feb',
    },
  },
};
