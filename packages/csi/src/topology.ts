import type { NodeView, StringMap } from '@volplane/domain';
import { digest } from './field-codec.js';
import type { WireTopology, WireTopologyRequirement } from './messages.js';

/** Turns node names and labels into CSI topologies and back. All keys carry the plugin's name as prefix, as CSI demands. */
export class TopologyMap {
  readonly #prefix: string;
  readonly #labels: readonly string[];

  /** @param labels - node labels that are told as segments beside the node's name, such as `zone` */
  constructor(pluginName: string, labels: readonly string[]) {
    this.#prefix = pluginName;
    this.#labels = labels;
  }

  /** Where a node is. Labels that CSI does not allow as values are left out. */
  ofNode(node: Place): StringMap {
    const labels = this.#labels.filter((label) => SEGMENT_VALUE.test(node.labels[label] ?? ''));
    return {
      ...this.onlyNode(node.name),
      ...Object.fromEntries(labels.map((label) => [`${this.#prefix}/${label}`, node.labels[label] ?? ''])),
    };
  }

  /** The topology of what lives on one node. */
  onlyNode(name: string): StringMap {
    return { [`${this.#prefix}/${NODE_SEGMENT}`]: name };
  }

  /** Node labels as segments. */
  ofLabels(labels: StringMap): StringMap {
    return Object.fromEntries(Object.entries(labels).map(([label, value]) => [`${this.#prefix}/${label}`, value]));
  }

  /** Whether the node lies in the topology; a key that is none of ours is nowhere. */
  matches(segments: StringMap, node: Place): boolean {
    return Object.entries(segments).every(([key, value]) => {
      if (!key.startsWith(`${this.#prefix}/`)) return false;
      const label = key.slice(this.#prefix.length + 1);
      return (label === NODE_SEGMENT ? node.name : node.labels[label]) === value;
    });
  }

  /**
   * The nodes that a request allows, best first: preferred terms in their order, then the requisite ones; within a term,
   * and without a requirement, in an order that is fixed for the volume's name, so that a repeated request goes the same way.
   */
  order(requirement: Requirement | undefined, nodes: readonly NodeView[], volume: string): readonly NodeView[] {
    const ranked = nodes
      .map((node) => ({ node, rank: digest(`${volume}\n${node.name}`, 16) }))
      .sort((one, other) => (one.rank < other.rank ? -1 : 1))
      .map(({ node }) => node);
    if (requirement === undefined) return ranked;
    const terms = [...requirement.preferred, ...requirement.requisite];
    return [...new Set(terms.flatMap((term) => ranked.filter((node) => this.matches(term, node))))];
  }
}

/** A node as far as topology goes. */
export interface Place {
  readonly name: string;
  readonly labels: StringMap;
}

export interface Requirement {
  readonly requisite: readonly StringMap[];
  readonly preferred: readonly StringMap[];
}

/** Nomad and Swarm send requirements with nothing in them: as good as none. */
export function parseRequirement(wire: WireTopologyRequirement | null): Requirement | undefined {
  if (wire === null) return undefined;
  const requisite = parseTerms(wire.requisite);
  const preferred = parseTerms(wire.preferred);
  return requisite.length + preferred.length === 0 ? undefined : { requisite, preferred };
}

/** undefined when it says nothing. */
export function parseTopology(wire: WireTopology | null): StringMap | undefined {
  return wire === null || Object.keys(wire.segments).length === 0 ? undefined : wire.segments;
}

function parseTerms(terms: readonly WireTopology[]): readonly StringMap[] {
  return terms.map(parseTopology).filter((term) => term !== undefined);
}

const NODE_SEGMENT = 'node';
/** CSI: at most 63 characters, letters or digits at both ends. */
const SEGMENT_VALUE = /^[a-zA-Z0-9]([a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?$/;
