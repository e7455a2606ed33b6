import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import globals from 'globals';
import tseslint from 'typescript-eslint';

/** Time, timers and randomness come through Clock and Random of @volplane/base, so that a simulation can own them. */
const WORLD = [
  {
    selector: "MemberExpression[object.name='Date'][property.name='now']",
    message: 'Use Clock.wallMs() or Clock.monotonicMs() of @volplane/base.',
  },
  { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: 'Use Clock.wallMs() of @volplane/base.' },
  { selector: "MemberExpression[object.name='performance'][property.name='now']", message: 'Use Clock.monotonicMs() of @volplane/base.' },
  { selector: "MemberExpression[object.name='process'][property.name='hrtime']", message: 'Use Clock.monotonicMs() of @volplane/base.' },
  { selector: "MemberExpression[object.name='Math'][property.name='random']", message: 'Use Random of @volplane/base.' },
  {
    selector: 'CallExpression[callee.name=/^(setTimeout|setInterval|setImmediate)$/]',
    message: 'Use Clock.after() or sleep() of @volplane/base.',
  },
  {
    selector: "CallExpression[callee.object.name='globalThis'][callee.property.name=/^(setTimeout|setInterval|setImmediate)$/]",
    message: 'Use Clock.after() or sleep() of @volplane/base.',
  },
  {
    selector: "MemberExpression[object.name='AbortSignal'][property.name='timeout']",
    message: 'Use withTimeout() of @volplane/base: this timer is outside of Clock.',
  },
  {
    selector: 'ImportDeclaration[source.value=/^(node:)?timers(\\u002Fpromises)?$/]',
    message: 'Use Clock.after() or sleep() of @volplane/base.',
  },
  {
    selector: 'CallExpression[callee.name=/^random(Bytes|UUID|Int)$/]',
    message: 'Use Random of @volplane/base.',
  },
  {
    selector: "MemberExpression[object.name='crypto'][property.name=/^(random(Bytes|UUID|Int)|getRandomValues)$/]",
    message: 'Use Random of @volplane/base.',
  },
];

/** The environment is read in one place of each service: main hands it to config. */
const ENVIRONMENT = [
  {
    selector: "MemberExpression[object.name='process'][property.name='env']",
    message: 'Only the configuration of a service reads the environment; take the value as a parameter.',
  },
];

const TYPED = ['**/*.ts', 'deploy/**/*.mjs'];

export default defineConfig(
  globalIgnores(['**/dist/', '**/node_modules/', '**/generated/', 'coverage/', '.cache/', '.volplane/']),
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  {
    files: TYPED,
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { project: './tsconfig.lint.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': ['error', { ignoreVoid: false }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true, requireDefaultForNonUnion: true },
      ],
      '@typescript-eslint/return-await': ['error', 'always'],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // TypeScript keeps what it knows of a field across an await. Looking again after each await is what we want, and what this
      // rule calls unnecessary.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      // `async` without `await` turns a throw into a rejection: what a port with promises wants.
      '@typescript-eslint/require-await': 'off',
      // What was caught is passed on as it came.
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingUnknown: true }],
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingUnknown: true }],
      'no-restricted-syntax': ['error', ...WORLD, ...ENVIRONMENT],
      // What a contract hands over and this implementation does not need is named so.
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'all' }],
      eqeqeq: 'error',
    },
  },
  { files: ['packages/*/src/**/*.ts', 'services/{manager,agent}/src/**/*.ts'], rules: { 'no-console': 'error' } },
  {
    files: ['services/*/src/{config,main}.ts', 'packages/testkit/**/*.ts', '**/test/**/*.ts', 'deploy/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', ...WORLD] },
  },
  // The places where the real clock, timers and randomness are, the clock of the simulation, and the one that agent and guardian share.
  {
    files: ['packages/base/src/{clock,random}.ts', 'packages/testkit/src/manual-clock.ts', 'packages/host/src/guardian/boot-clock.ts'],
    rules: { 'no-restricted-syntax': ['error', ...ENVIRONMENT] },
  },
  {
    // chai's assertions are property reads.
    files: ['**/test/**/*.ts', 'packages/testkit/**/*.ts'],
    rules: { '@typescript-eslint/no-unused-expressions': 'off' },
  },
  {
    // The set-up runs before anything is installed: plain JavaScript on Node alone.
    files: ['deploy/**/*.mjs'],
    rules: { 'no-restricted-syntax': 'off', '@typescript-eslint/explicit-module-boundary-types': 'off' },
  },
  { files: ['**/*.{mjs,cjs,js}'], languageOptions: { globals: globals.node } },
);
