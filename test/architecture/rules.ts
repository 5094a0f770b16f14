/** The rules of the architecture as functions from source files to what breaks them, so that each can be shown to notice. */
import { layerOf, mayImport } from './layers.ts'
import { type SourceFile, targetOf } from './source-files.ts'

/** `path: what is wrong`. */
export type Violation = string
export type Rule = (files: readonly SourceFile[]) => readonly Violation[]

/** A rule about single files: every match of `pattern` in the code breaks it. */
function forbid(pattern: RegExp, what: string, applies: (path: string) => boolean = () => true): Rule {
  return (files) =>
    files
      .filter((file) => applies(file.path))
      .flatMap((file) =>
        file.code
          .split('\n')
          .flatMap((line, index) => (pattern.test(line) ? [`${file.path}:${index + 1}: ${what}`] : [])),
      )
}

const isBelow =
  (...folders: readonly string[]) =>
  (path: string) =>
    folders.some((folder) => path.startsWith(folder))

export const importsGoDown: Rule = (files) =>
  files.flatMap((file) =>
    file.imports.flatMap((specifier) => {
      const target = targetOf(file, specifier)
      return target === undefined || mayImport(file.path, target) ? [] : [`${file.path}: may not import ${specifier}`]
    }),
  )

/** A new folder has no place until somebody gives it one. */
export const everyFolderHasALayer: Rule = (files) =>
  files.flatMap((file) => (layerOf(file.path) === undefined ? [`${file.path}: its folder has no layer`] : []))

export const importsAreWrittenOneWay: Rule = (files) =>
  files.flatMap((file) => {
    const folder = file.path.slice(0, file.path.lastIndexOf('/'))
    const own = folder === 'src' ? '#' : `${folder.replace(/^src\//, '#').replace(/^routes/, '#routes')}/`
    return file.imports.flatMap((specifier) => {
      const isRelative = specifier.startsWith('.')
      if (isRelative && !/^\.\/[^/]+$/.test(specifier))
        return [`${file.path}: ${specifier} leaves its folder; write #folder/`]
      const rest = specifier.slice(own.length)
      const isOwn = folder !== 'src' && specifier.startsWith(own) && !rest.includes('/')
      if (isOwn) return [`${file.path}: ${specifier} is in the same folder; write ./`]
      return specifier.startsWith('#') && !specifier.endsWith('.ts') ? [`${file.path}: ${specifier} has no .ts`] : []
    })
  })

/** Production code needs what package.json calls dependencies, and nothing else. */
export function packagesAreDeclared(dependencies: readonly string[]): Rule {
  return (files) =>
    files.flatMap((file) =>
      file.imports
        .filter((specifier) => !/^(?:[.#]|node:)/.test(specifier))
        .filter((specifier) => !dependencies.includes(packageOf(specifier)))
        .map((specifier) => `${file.path}: ${specifier} is no dependency`),
    )
}

function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}

export const noCycles: Rule = (files) => {
  const known = new Map(files.map((file) => [file.path, file]))
  const done = new Set<string>()
  const found: Violation[] = []
  const visit = (file: SourceFile, trail: readonly string[]): void => {
    const start = trail.indexOf(file.path)
    if (start !== -1) {
      found.push(`cycle: ${[...trail.slice(start), file.path].join(' -> ')}`)
      return
    }
    if (done.has(file.path)) return
    for (const specifier of file.imports) {
      const next = known.get(targetOf(file, specifier) ?? '')
      if (next) visit(next, [...trail, file.path])
    }
    done.add(file.path)
  }
  for (const file of files) visit(file, [])
  return found
}

export const noReexports = forbid(
  /^\s*export\s+(?:type\s+)?(?:\*|\{[^}]*\})\s*(?:as\s+\w+\s+)?from\b/,
  'hands on what another file exports',
)
export const noDefaultExports = forbid(/^\s*export\s+default\b|\bas\s+default\b/, 'has a default export')
export const noAny = forbid(/[:<|&,(=]\s*any\b|\bas\s+any\b/, 'any')
export const noAssertedValues = forbid(/[\w)\]]!(?=[.,;)\]([\s]|$)(?!=)/, 'asserts a value with !')
export const noConsole = forbid(/\bconsole\s*[.[]/, 'console')
export const noEnvironment = forbid(
  /\bprocess\s*\.\s*env\b|\benv\s*\}\s*=\s*process\b/,
  'reads the environment',
  (path) => !path.startsWith('src/settings/'),
)

/** The URL parser normalises what a route must see as it came: `//evil/x`, `/a/../b`. */
export const noUrlParser = forbid(
  /\bnew\s+URL\s*\(|\bURL\s*\.\s*(?:parse|canParse)\b/,
  'parses with WHATWG URL',
  isBelow('src/gateway/', 'src/http/', 'src/proxy/', 'src/tunnel/'),
)

export const noSilencedChecks: Rule = (files) =>
  files.flatMap((file) =>
    /@ts-(?:ignore|expect-error|nocheck)/.test(file.text) ? [`${file.path}: silences the type checker`] : [],
  )

/** Why a file may use real time: nothing is decided by it. */
export type TimeExceptions = ReadonlyMap<string, string>

export function timeThroughTheClock(exceptions: TimeExceptions): Rule {
  const realTime =
    /\bDate\.now\b|\bnew\s+Date\(\s*\)|\bset(?:Timeout|Interval)\b|\bperformance\.now\b|\bhrtime\b|node:timers/
  return forbid(realTime, 'uses real time', (path) => path !== 'src/lib/clock.ts' && !exceptions.has(path))
}

const longestFile = 300

export const filesAreShort: Rule = (files) =>
  files.flatMap((file) => {
    const lines = file.text.split('\n').length - 1
    return lines > longestFile ? [`${file.path}: ${lines} lines`] : []
  })

const castsPerThousandLines = 3

/** `as` that changes a type: no `as const`, and no `as` of an import or export. */
export function castsOf(file: SourceFile): number {
  const code = file.code.replace(/\b(?:import|export)\s+(?:type\s+)?(?:\w+\s*,\s*)?(?:\{[^}]*\}|\*\s+as\s+\w+)/g, '')
  return [...code.matchAll(/(?<![.\w])as\s+(?!const\b)[\w({['"`]/g)].length
}

export const castsAreRare: Rule = (files) => {
  const lines = files.reduce((sum, file) => sum + file.text.split('\n').length - 1, 0)
  const casts = files.map((file) => ({ path: file.path, count: castsOf(file) })).filter(({ count }) => count > 0)
  const sum = casts.reduce((total, { count }) => total + count, 0)
  if (sum * 1000 <= castsPerThousandLines * lines) return []
  return [`${sum} casts in ${lines} lines: ${casts.map(({ path, count }) => `${path} (${count})`).join(', ')}`]
}

const vagueNames = /(?:^|\/)(?:utils?|helpers?|common|misc|types|index)\.ts$/

export const filesAreNamedByNouns: Rule = (files) =>
  files.filter((file) => vagueNames.test(file.path)).map((file) => `${file.path}: says nothing about what is in it`)
