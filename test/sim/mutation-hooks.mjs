/** Hands the sources that {@link import('./mutation.ts').applyMutant} has changed to the module loader, in place of the files. */

/** By file URL. @type {ReadonlyMap<string, string>} */
let sources = new Map();

/** @param {readonly (readonly [url: string, source: string])[]} changed */
export function initialize(changed) {
  sources = new Map(changed);
}

/**
 * @param {string} url
 * @param {object} context
 * @param {(url: string, context: object) => unknown} nextLoad
 */
export function load(url, context, nextLoad) {
  const source = sources.get(url.split('?')[0] ?? url);
  return source === undefined ? nextLoad(url, context) : { format: 'module', source, shortCircuit: true };
}
