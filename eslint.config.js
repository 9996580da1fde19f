import eslint from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';
import {
  arrows,
  assemblers,
  importsNoPackages,
  interfaces,
  moduleOfChildren,
  places,
  startsChildren,
} from './lint/layers.ts';

const escaped = text => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** A pattern for relative imports that end in one of these places: `../flow/pull.ts` from a sibling, `../lib/flow/` from elsewhere. */
const importsFrom = prefix => `^\\.{1,2}/(?:.*/)?${escaped(prefix.replace(/^lib\//, ''))}`;

const otherLayers = layer =>
  places
    .filter(([, to]) => to !== layer && to !== 'drivers' && !arrows[layer].includes(to))
    .map(([prefix, to]) => ({ regex: importsFrom(prefix), message: `${layer} may not import ${to}.` }));

const concreteDrivers = Object.entries(interfaces).map(([folder, open]) => ({
  regex: `${importsFrom(folder)}(?!(?:${open.map(escaped).join('|')})$)`,
  message: `Only ${assemblers.join(', ')} and bin see concrete drivers.`,
}));

const restrictedImports = places.map(([prefix, layer]) => {
  const patterns = otherLayers(layer);
  if (layer !== 'bin') patterns.push(...concreteDrivers);
  if (layer === 'stages') {
    patterns.push({ regex: '^\\./(?!settlements\\.ts$)', message: 'A stage sees no sibling stage.' });
  }
  if (importsNoPackages.includes(layer)) {
    patterns.push({ regex: '^(?!\\.|node:)', message: `${layer} imports no packages.` });
  }
  // The last matching entry of a flat configuration decides, and lib/ stands last in the table: it leaves the others alone.
  const others = places.map(([other]) => other).filter(other => other !== prefix && other.startsWith(prefix));
  return {
    files: [prefix.endsWith('/') ? `${prefix}**` : prefix],
    ignores: [...others.map(other => (other.endsWith('/') ? `${other}**` : other)), ...assemblers],
    rules: { 'no-restricted-imports': ['error', { patterns }] },
  };
});

export default defineConfig(
  globalIgnores(['dist', '.tap', 'fixtures', '**/generated', '**/tap-snapshots']),
  eslint.configs.recommended,
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'separate-type-imports' }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // tap waits for its subtests by itself.
      '@typescript-eslint/no-floating-promises': [
        'error',
        { allowForKnownSafePromises: [{ from: 'package', package: '@tapjs/core', name: 'PromiseWithSubtest' }] },
      ],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true, allowNullish: true },
      ],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
      '@typescript-eslint/no-misused-spread': ['error', { allow: ['string'] }],
      // Interfaces and tests ask for async functions that have nothing to wait for.
      '@typescript-eslint/require-await': 'off',
      // What was caught is passed on as it is.
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingUnknown: true }],
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingUnknown: true }],
      // It takes `signal.aborted` for settled once it was looked at, and an await changes it.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      // It takes what is left of an unknown value for an object; templates have their own rule.
      '@typescript-eslint/no-base-to-string': 'off',
      // Matters of taste, or of enums, which this code has none of.
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-invalid-void-type': 'off',
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      '@typescript-eslint/no-unsafe-enum-assignment': 'off',
      '@typescript-eslint/no-unsafe-enum-comparison': 'off',
      'no-control-regex': 'off', // terminals are spoken to, and cleaned up after
      eqeqeq: 'error',
    },
  },
  ...restrictedImports,
  {
    files: places.map(([prefix]) => (prefix.endsWith('/') ? `${prefix}**` : prefix)),
    ignores: [startsChildren],
    rules: {
      // The rule of the same name in eslint itself has the layers.
      '@typescript-eslint/no-restricted-imports': [
        'error',
        { patterns: [{ regex: moduleOfChildren.source, message: `Children are started by ${startsChildren}.` }] },
      ],
    },
  },
  { files: ['**/*.js'], extends: [tseslint.configs.disableTypeChecked] },
);
