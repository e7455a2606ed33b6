import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { PREFIXES } from '../../packages/engine/src/store/keys.js';
import { nodeDocument, sessionDocument, volumeDocument } from '../../packages/wire/src/document.js';
import { ROOT } from './source-tree.js';

describe('docs/etcd.md', () => {
  const page = readFileSync(join(ROOT, 'docs/etcd.md'), 'utf8');

  it('shows every kind of key, and no other', () => {
    const shown = firstColumn(page, 'Keys').map((key) => key.replace(/[A-Z]+$/, ''));
    expect(shown.sort()).to.deep.equal(Object.values(PREFIXES).sort());
  });

  for (const [title, schema] of Object.entries({ Volume: volumeDocument, Node: nodeDocument, Session: sessionDocument })) {
    it(`shows every field of the ${title.toLowerCase()} document, and no other`, () => {
      const shown = firstColumn(page, title).map((field) => field.replace(/\.[A-Z]+\./, '.*.'));
      expect(shown.sort()).to.deep.equal([...fieldsOf(schema as unknown as SchemaNode)].sort());
    });
  }
});

/** The code words that begin the rows of the table below a heading. */
function firstColumn(page: string, heading: string): string[] {
  const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? '';
  return [...section.matchAll(/^\| `([^`]+)`/gm)].map(([, word = '']) => word);
}

/** What is looked at of a schema: an object has a shape, the others wrap one. */
interface SchemaNode {
  readonly def: {
    readonly shape?: Readonly<Record<string, SchemaNode>>;
    readonly innerType?: SchemaNode;
    readonly element?: SchemaNode;
    readonly valueType?: SchemaNode;
  };
}

/** Paths of all fields: `a.b`, `list[].b`, `map.*.b`. */
function* fieldsOf({ def }: SchemaNode, path = ''): Iterable<string> {
  for (const [name, field] of Object.entries(def.shape ?? {})) {
    const own = path === '' ? name : `${path}.${name}`;
    yield own;
    yield* fieldsOf(field, own);
  }
  if (def.innerType !== undefined) yield* fieldsOf(def.innerType, path);
  if (def.element !== undefined) yield* fieldsOf(def.element, `${path}[]`);
  if (def.valueType !== undefined) yield* fieldsOf(def.valueType, `${path}.*`);
}
