/** `npm run generate` writes the files that are made from the source; `-- --check` says which of them are stale, and fails. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { settingsSchema } from '#settings/schema.ts'
import { settingsReference } from './settings-reference.ts'
import { valuesSchema } from './values-schema.ts'

const root = join(import.meta.dirname, '..')

const generated: ReadonlyMap<string, () => string> = new Map([
  ['docs/settings.md', settingsReference],
  // For editors: `# yaml-language-server: $schema=…/settings.schema.json`.
  ['docs/settings.schema.json', () => `${JSON.stringify(asWritten(settingsSchema), null, 2)}\n`],
  ['charts/gatehouse/values.schema.json', valuesSchema],
  ['src/cli/program-version.ts', programVersion],
  ...copies('config/crd/bases', 'charts/gatehouse/crds'),
  ...copies('config/policies', 'charts/gatehouse/policies'),
  ...copies('config/rbac/people', 'charts/gatehouse/people'),
])

/** A chart can't reach outside of its folder. */
function copies(from: string, to: string): readonly (readonly [string, () => string])[] {
  return readdirSync(join(root, from))
    .filter((name) => name.endsWith('.yaml') && basename(name) !== 'kustomization.yaml')
    .map((name) => [join(to, name), () => readFileSync(join(root, from, name), 'utf8')] as const)
}

function programVersion(): string {
  const { version }: { readonly version: string } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const why =
    'As package.json has it, which is not there where the command line is one file. Written by `npm run generate`.'
  return `/** ${why} */\nexport const programVersion = '${version}'\n`
}

/** What a file may leave out is what has a default. */
function asWritten(schema: unknown): unknown {
  const text = JSON.stringify(schema, (key, value) => (key === 'required' ? undefined : value))
  return { $schema: 'https://json-schema.org/draft-07/schema#', title: 'Gatehouse settings', ...JSON.parse(text) }
}

function current(path: string): string | undefined {
  try {
    return readFileSync(join(root, path), 'utf8')
  } catch {
    return undefined
  }
}

function main(): number {
  const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
  const stale = [...generated].filter(([path, make]) => current(path) !== make())
  for (const [path, make] of stale) {
    process.stdout.write(`${values.check ? 'stale' : 'written'}: ${path}\n`)
    if (values.check) continue
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), make())
  }
  if (!values.check || stale.length === 0) return 0
  process.stderr.write('run "npm run generate" and commit what it writes\n')
  return 1
}

process.exitCode = main()
