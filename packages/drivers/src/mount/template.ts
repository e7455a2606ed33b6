import type { StringMap } from '@volplane/domain';

/** What may stand between braces in a template of the configuration: `name`, `uid`, `option.x`. */
export type Placeholder = { readonly kind: 'name' } | { readonly kind: 'uid' } | { readonly kind: 'option'; readonly option: string };

/** The placeholders of a template, or the text of the first that is not one. Pure. */
export function parsePlaceholders(template: string): readonly Placeholder[] | { readonly unknown: string } {
  const found: Placeholder[] = [];
  for (const [text, inner] of template.matchAll(PLACEHOLDER)) {
    const option = /^option\.([a-zA-Z0-9_.-]{1,64})$/.exec(inner ?? '')?.[1];
    if (inner === 'name' || inner === 'uid') found.push({ kind: inner });
    else if (option !== undefined) found.push({ kind: 'option', option });
    else return { unknown: text };
  }
  return found;
}

/** The template with its placeholders filled in. Values are taken as they are: check them with {@link valueFault} before. Pure. */
export function renderTemplate(
  template: string,
  volume: { readonly name: string; readonly uid: string; readonly options: StringMap },
): string {
  return template.replace(PLACEHOLDER, (_, inner: string) => {
    if (inner === 'name') return volume.name;
    if (inner === 'uid') return volume.uid;
    return volume.options[inner.slice('option.'.length)] ?? '';
  });
}

/**
 * Undefined when the value of an option may stand anywhere in a source or a mount option, else its fault: it must not be
 * able to begin another option, leave its folder, or be taken for a flag. Pure.
 */
export function valueFault(value: string): string | undefined {
  if (value === '') return 'is empty';
  if (value.length > VALUE_CHARACTERS_MAX) return `is longer than ${String(VALUE_CHARACTERS_MAX)} characters`;
  if (!/^[a-zA-Z0-9_@%+=:./-]*$/.test(value)) return 'holds a character that is not in [a-zA-Z0-9_@%+=:./-]';
  if (value.startsWith('-')) return 'begins with a dash';
  if (value.split('/').includes('..')) return 'leads out of its folder with ..';
  return undefined;
}

const PLACEHOLDER = /\{([^{}]*)\}/g;
const VALUE_CHARACTERS_MAX = 256;
