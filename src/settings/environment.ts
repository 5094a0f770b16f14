/**
 * Settings from the environment. Each key of the schema has one variable: its path in capitals after `GATEHOUSE_`, `sessions.renewEvery` being
 * `GATEHOUSE_SESSIONS_RENEW_EVERY`. Lists of names are split at commas; lists of objects are JSON or YAML. An empty variable counts as unset.
 */
import { type TObject, type TSchema, Type } from 'typebox'
import { parse } from 'yaml'
import { nearestName } from '#lib/nearest-name.ts'
import type { Problem } from './problem.ts'
import { settingsSchema } from './schema.ts'
import { putAt, type Tree } from './tree.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** The password of the demo's people, for those who don't want to read it from a file. */
export const demoPasswordVariable = 'GATEHOUSE_DEMO_PASSWORD'
/** A Python environment with JupyterLab that the demo uses instead of making one of its own. */
export const jupyterVenvVariable = 'GATEHOUSE_JUPYTER_VENV'

export interface Variable {
  readonly name: string
  readonly path: readonly string[]
  readonly schema: TSchema
}

const prefix = 'GATEHOUSE_'

/** Every variable there is, in the order of the schema. */
export function variables(): readonly Variable[] {
  return variablesBelow(settingsSchema, [])
}

function variablesBelow(schema: TObject, path: readonly string[]): Variable[] {
  return Object.entries(schema.properties).flatMap(([key, child]) => {
    const at = [...path, key]
    return Type.IsObject(child) ? variablesBelow(child, at) : [{ name: variableName(at), path: at, schema: child }]
  })
}

function variableName(path: readonly string[]): string {
  return prefix + path.map((key) => key.replace(/[A-Z]/g, '_$&').toUpperCase()).join('_')
}

export interface EnvironmentLayer {
  readonly tree: Tree
  /** The variable that gave the value at a path (joined by dots). */
  readonly sources: ReadonlyMap<string, string>
  readonly problems: readonly Problem[]
  /** Variables that look like ours and mean nothing. */
  readonly warnings: readonly string[]
}

export function readEnvironment(env: Environment): EnvironmentLayer {
  const tree: Tree = Object.create(null)
  const sources = new Map<string, string>()
  const known = variables()
  for (const variable of known) {
    const text = env[variable.name] ?? ''
    if (text === '' || isServiceLink(variable.name, text)) continue
    putAt(tree, variable.path, readValue(text, variable.schema))
    sources.set(variable.path.join('.'), variable.name)
  }
  if ((env[demoPasswordVariable] ?? '') !== '') {
    putAt(tree, ['demo', 'password'], { env: demoPasswordVariable })
    sources.set('demo.password', demoPasswordVariable)
  }
  return { tree, sources, ...judgeUnknown(env, new Set(known.map((variable) => variable.name))) }
}

/** Text that is no value of the schema's type stays text, and the schema's check then says what it should have been. */
function readValue(text: string, schema: TSchema): unknown {
  if (Type.IsBoolean(schema)) return text === 'true' ? true : text === 'false' ? false : text
  if (Type.IsInteger(schema)) return /^\d{1,15}$/.test(text) ? Number(text) : text
  if (isOfObjects(schema)) return readStructure(text)
  if (!Type.IsArray(schema)) return text
  if (text.startsWith('[')) return readStructure(text)
  return text.split(',').map((item) => item.trim())
}

function isOfObjects(schema: TSchema): boolean {
  return Type.IsRecord(schema) || (Type.IsArray(schema) && Type.IsObject(schema.items))
}

function readStructure(text: string): unknown {
  try {
    return parse(text)
  } catch {
    return text
  }
}

/** Read by Gatehouse's command line, tests, benchmarks and installers, and no settings of the gateway. */
const otherVariables = /^GATEHOUSE_(?:CACHE|CHROMIUM|CLI_\w+|TEST_\w+|BENCH_\w+|DEMO_PASSWORD|JUPYTER_VENV|POD|POD_IP)$/
/** Kubernetes describes each Service of a namespace in variables (`{NAME}_SERVICE_HOST`, `{NAME}_PORT=tcp://…`): not meant for us. */
const serviceVariables = /^GATEHOUSE_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT(?:_\d+_\w+)?)$/

function isServiceLink(name: string, text: string): boolean {
  return serviceVariables.test(name) && /^(?:tcp|udp|sctp):\/\//.test(text)
}

function judgeUnknown(env: Environment, known: ReadonlySet<string>): Pick<EnvironmentLayer, 'problems' | 'warnings'> {
  const problems: Problem[] = []
  const warnings: string[] = []
  for (const name of Object.keys(env).toSorted()) {
    if (!name.startsWith(prefix) || known.has(name) || otherVariables.test(name) || serviceVariables.test(name))
      continue
    const nearest = nearestName(
      name.slice(prefix.length),
      [...known].map((each) => each.slice(prefix.length)),
    )
    if (nearest === undefined) warnings.push(`${name} is no setting and has no effect`)
    else
      problems.push({ path: '', source: name, message: `is not a known variable; did you mean ${prefix}${nearest}?` })
  }
  return { problems, warnings }
}
