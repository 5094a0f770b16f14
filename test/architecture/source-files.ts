/** The source files of the project, with what they import. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf, withoutComments } from './source-code.ts'

export interface SourceFile {
  /** From the root, with slashes: `src/lib/clock.ts`. */
  readonly path: string
  readonly text: string
  /** The text without comments, strings and regular expressions. */
  readonly code: string
  /** As they are written: `./clock.ts`, `#lib/clock.ts`, `node:fs`, `undici`. */
  readonly imports: readonly string[]
}

export const root = join(import.meta.dirname, '..', '..')

export function sourceFile(path: string, text: string): SourceFile {
  return { path, text, code: codeOf(text), imports: importsOf(text) }
}

/** Every `.ts` file below these folders, in order. */
export function readSources(folders: readonly string[]): readonly SourceFile[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .map((name) => `${folder}/${name}`)
      .filter((path) => path.endsWith('.ts'))
      .toSorted()
      .map((path) => sourceFile(path, readFileSync(join(root, path), 'utf8'))),
  )
}

const specifiers = /(?:\bfrom\s*|\bimport\s*\(\s*|\bimport\s+)(['"])([^'"\n]+)\1/g

function importsOf(text: string): readonly string[] {
  const found = [...withoutComments(text).matchAll(specifiers)].map((match) => match[2] ?? '')
  return [...new Set(found)]
}

/** The file of the project that an import leads to, from the root; `undefined` for packages and Node's own modules. */
export function targetOf(file: SourceFile, specifier: string): string | undefined {
  if (specifier.startsWith('#routes/')) return specifier.slice(1)
  if (specifier.startsWith('#test/')) return specifier.slice(1)
  if (specifier.startsWith('#')) return `src/${specifier.slice(1)}`
  if (!specifier.startsWith('.')) return undefined
  return join(file.path, '..', specifier).replaceAll('\\', '/')
}
