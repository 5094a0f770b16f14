/**
 * Settings from a file, the environment and the command line, each over the one before; and the secrets they refer to, apart.
 * Finds every problem before it gives up.
 */
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { messageOf } from '#errors.ts'
import { buildSettings } from './build.ts'
import { checkTree } from './check.ts'
import { readDocument, type SettingsDocument } from './document.ts'
import { type Environment, readEnvironment } from './environment.ts'
import type { Flag } from './flags.ts'
import { absolutePaths } from './paths.ts'
import { type Path, type Problem, problemAt, type SourceOf } from './problem.ts'
import { applyRules, type Face } from './rules.ts'
import { initial, settingsSchema } from './schema.ts'
import { fetchSecrets, findUnreadableFiles, type Sources } from './secrets.ts'
import type { Secrets, Settings } from './settings.ts'
import { isTree, overlay, putAt, type Tree } from './tree.ts'

export interface LoadOptions {
  readonly face: Face
  /** Path of a YAML or JSON file. */
  readonly file?: string | undefined
  readonly env: Environment
  readonly flags?: readonly Flag[]
  /** What relative paths of the environment and the command line start from. */
  readonly cwd: string
  /** Default: the file system. */
  readonly readText?: (path: string) => Promise<string>
}

export type Loaded =
  | {
      readonly kind: 'loaded'
      readonly settings: Settings
      readonly secrets: Secrets
      readonly warnings: readonly string[]
    }
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[]; readonly warnings: readonly string[] }

/**
 * @example
 * const loaded = await loadSettings({ face: 'serve', file: 'settings.yaml', env, cwd })
 * if (loaded.kind === 'invalid') for (const problem of loaded.problems) stderr.write(`${sayProblem(problem)}\n`)
 */
export async function loadSettings(options: LoadOptions): Promise<Loaded> {
  const { env, cwd, flags = [], readText = readFromDisk } = options
  const document = await openDocument(options, readText)
  const environment = readEnvironment(env)
  const { warnings } = environment
  // What a broken file would have said is unknown, so nothing is said about it.
  if (document.problems.length > 0) {
    return { kind: 'invalid', problems: [...document.problems, ...environment.problems], warnings }
  }
  const given = new Map([...environment.sources, ...flags.map((flag) => [flag.path.join('.'), flag.source] as const)])
  const sourceOf: SourceOf = (path) => givenSource(given, path) ?? document.sourceOf(path)
  const folder = options.file === undefined ? cwd : dirname(resolve(cwd, options.file))
  const layers = [
    absolutePaths(settingsSchema, document.value, folder),
    absolutePaths(settingsSchema, environment.tree, cwd),
    absolutePaths(settingsSchema, flagTree(flags), cwd),
  ]
  const written = layers.reduce((lower, upper) => overlay(lower, upper), Object.create(null))
  const tree = treeOf(overlay(initialTree(options.face, treeOf(written), cwd), written))
  const check = checkTree(tree, sourceOf)
  const sources: Sources = { env, readText }
  const fetched = await fetchSecrets(check.readable, sources)
  const findings = [
    ...applyRules(check.readable, options.face),
    ...fetched.findings,
    ...(await findUnreadableFiles(check.readable, sources)),
  ]
  const problems = [
    ...environment.problems,
    ...check.problems,
    ...findings.map(({ path, message }) => problemAt(path, message, sourceOf)),
  ]
  return problems.length > 0 || check.whole === undefined
    ? { kind: 'invalid', problems, warnings }
    : { kind: 'loaded', settings: buildSettings(check.whole), secrets: fetched.secrets, warnings }
}

const readFromDisk = (path: string) => readFile(path, 'utf8')

async function openDocument(options: LoadOptions, readText: Sources['readText']): Promise<SettingsDocument> {
  const { file, cwd } = options
  if (file === undefined) return { value: {}, sourceOf: () => undefined, problems: [] }
  try {
    const document = readDocument(await readText(resolve(cwd, file)), file)
    if (isTree(document.value)) return document
    const problem = { path: '', message: 'must be a group of keys', source: file }
    return { ...document, value: {}, problems: [problem] }
  } catch (error) {
    const problem = { path: '', message: `can't be read: ${messageOf(error)}`, source: file }
    return { value: {}, sourceOf: () => file, problems: [problem] }
  }
}

/** Every layer is an object by now. */
function treeOf(value: unknown): Tree {
  return isTree(value) ? value : Object.create(null)
}

/** Sources given by path are those of the value itself or of what holds it. */
function givenSource(given: ReadonlyMap<string, string>, path: Path): string | undefined {
  for (let length = path.length; length > 0; length--) {
    const source = given.get(path.slice(0, length).join('.'))
    if (source !== undefined) return source
  }
  return undefined
}

function flagTree(flags: readonly Flag[]): Tree {
  const tree: Tree = Object.create(null)
  for (const flag of flags) putAt(tree, flag.path, flag.value)
  return tree
}

/** Defaults that depend on the face or on other keys; all others stand in the schema. */
function initialTree(face: Face, written: Tree, cwd: string): Tree {
  const port = typeof written.port === 'number' ? written.port : initial.port
  const given: unknown = written.hosts
  const hosts: readonly unknown[] = Array.isArray(given) ? given : initial.hosts
  const common = {
    listeners: hosts.map((host) => ({ kind: 'plain', host, port })),
    operations: { port: port + 2 },
    home: resolve(cwd, initial.home),
    demo: {
      manifests: resolve(import.meta.dirname, '../..', initial.manifests),
    },
  }
  // The domain is the WorkspaceManager's to say; until it has, no name in the world is it (RFC 6761 section 6.4).
  if (face === 'serve') return { ...common, domain: 'gatehouse.invalid', external: { scheme: 'https', port: 443 } }
  return { ...common, domain: 'localhost', external: { scheme: 'http', port }, administrators: { groups: ['admins'] } }
}
