/** The page that explains every setting, made from the schema so that it can't be out of date. */
import { type TObject, type TSchema, Type } from 'typebox'
import { variables } from '#settings/environment.ts'
import { describeFlags } from '#settings/flags.ts'
import { insecureMeanings } from '#settings/insecure.ts'
import { settingsSchema } from '#settings/schema.ts'

interface Row {
  readonly path: string
  readonly schema: TSchema
  readonly isOptional: boolean
}

export function settingsReference(): string {
  const names = new Map(variables().map((variable) => [variable.path.join('.'), variable.name]))
  const rows = rowsBelow(settingsSchema, '').map(({ path, schema, isOptional }) => {
    const variable = names.get(path)
    const cells = [
      `\`${path}\``,
      kindOf(schema),
      defaultOf(schema, isOptional),
      variable === undefined ? '' : `\`${variable}\``,
      said(schema, 'description') ?? '',
    ]
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  })
  return [
    '# Settings',
    '',
    '<!-- Made by "npm run generate" from src/settings/schema.ts. -->',
    '',
    'A YAML or JSON file (`--settings FILE`), over it the environment, over it the command line. Every problem is reported at once with its',
    'place; `gatehouse check-config FILE` does only that, as `gatehouse demo` would, with `--face serve` as the gateway of a cluster would. Unknown keys are refused. Spans of time are written `30s`, `10m`, `1h30m`.',
    'Secrets are never written into settings: `{file: PATH}` or `{env: NAME}` says where they are, and `GATEHOUSE_DEMO_PASSWORD` gives the',
    "password of the demo's people. In the environment, lists of names are split at commas, lists of objects are JSON or YAML, and an empty",
    'variable counts as unset. Relative paths start from the folder of the settings file, in the environment from the working folder.',
    '',
    '| key | kind | default | variable | meaning |',
    '|---|---|---|---|---|',
    ...rows,
    '',
    '## Command line',
    '',
    '```',
    ...describeFlags(),
    '```',
    '',
    '## Checks that can be switched off',
    '',
    'Each of them in force is a line in the log at every start.',
    '',
    ...Object.entries(insecureMeanings).map(([name, meaning]) => `- \`${name}\`: ${meaning}`),
    '',
  ].join('\n')
}

function rowsBelow(schema: TObject, prefix: string): readonly Row[] {
  const required = new Set<string>(schema.required ?? [])
  return Object.entries(schema.properties).flatMap(([key, child]) => {
    const path = prefix + key
    if (Type.IsObject(child) && !isReference(child)) return rowsBelow(child, `${path}.`)
    const own = { path, schema: child, isOptional: !required.has(key) }
    return Type.IsArray(child) && Type.IsObject(child.items) ? [own, ...rowsBelow(child.items, `${path}[].`)] : [own]
  })
}

function isReference(schema: TObject): boolean {
  return 'file' in schema.properties && 'env' in schema.properties
}

function kindOf(schema: TSchema): string {
  if (Type.IsArray(schema)) return Type.IsObject(schema.items) ? 'list of objects' : `list of ${kindOf(schema.items)}`
  if (Type.IsRecord(schema)) return 'objects by name'
  if (Type.IsObject(schema)) return '`{file}` or `{env}`'
  if (Type.IsBoolean(schema)) return '`true` or `false`'
  if (Type.IsInteger(schema)) return 'number'
  if (Type.IsEnum(schema)) return schema.enum.map((value) => `\`${value}\``).join(', ')
  return said(schema, 'format') ?? 'text'
}

function defaultOf(schema: TSchema, isOptional: boolean): string {
  if (!('default' in schema)) {
    if (/\bdefault\b/i.test(said(schema, 'description') ?? '')) return 'see there'
    return isOptional ? 'none' : 'required'
  }
  const value = schema.default
  return value === '' || (Array.isArray(value) && value.length === 0) ? 'none' : `\`${JSON.stringify(value)}\``
}

function said(schema: TSchema, key: 'description' | 'format'): string | undefined {
  const value: unknown = key in schema ? Object.entries(schema).find(([name]) => name === key)?.[1] : undefined
  return typeof value === 'string' ? value : undefined
}
