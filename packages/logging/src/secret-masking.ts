/** True for the names of fields whose value is a secret itself; the path of a file that holds one may be shown. */
export function isSecretKey(key: string): boolean {
  return SECRET_KEY.test(key);
}

/** The text without secrets that can be told by their form: in URLs, mount options, JSON, headers, keys and tokens. */
export function maskSecretText(text: string): string {
  if (!mayHoldSecret(text)) return text;
  return PATTERNS.reduce((masked, [pattern, shown]) => masked.replace(pattern, shown), text);
}

/** False for a text that {@link maskSecretText} leaves as it is; true for any other, and for some of these. */
export function mayHoldSecret(text: string): boolean {
  return MAY_HOLD_SECRET.test(text);
}

/** `key` alone is the name of a thing in the store, and not here; keys in files are told by their form. */
const SECRET_KEY = /(?:pass(?:word|wd|phrase)?|secret|token|credentials?|(?:private|api|access)_?key|seed|authorization|cookie)$/i;

const SECRET_WORD = '(?:password|passwd|passphrase|secret|token|api_?key)';

/** Each pattern needs one of these; nearly every text of a log has none, and seven replacements were a fifth of the cost of a line. */
const MAY_HOLD_SECRET = /:\/\/|pass|secret|token|api_?key|bearer|basic|-----BEGIN|eyJ|S[UANOCX][A-Z2-7]{56}/i;

const PATTERNS: readonly (readonly [pattern: RegExp, shown: string])[] = [
  [/\b(\w{1,20}:\/\/[^\s:/@]{0,200}):[^\s@/]+@/g, '$1:***@'],
  [new RegExp(`(${SECRET_WORD}=)[^,;&\\s]+`, 'gi'), '$1***'],
  [new RegExp(`(${SECRET_WORD}"\\s{0,5}:\\s{0,5}")[^"]*`, 'gi'), '$1***'],
  [/\b(Bearer|Basic)\s+[\w.~+/=-]{8,}/gi, '$1 ***'],
  [/-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]*(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?/g, '[private key]'],
  // A JSON web token, and the seed of an nkey of NATS.
  [/\beyJ[\w-]{10,}\.[\w-]+\.[\w-]+/g, '***'],
  [/\bS[UANOCX][A-Z2-7]{56}\b/g, '***'],
];
