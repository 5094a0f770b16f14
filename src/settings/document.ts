/** A settings file: YAML, of which JSON is a part. Remembers the line of each value, so that a problem can name it. */
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml'
import type { Path, Problem, SourceOf } from './problem.ts'

export interface SettingsDocument {
  /** Not checked yet. `{}` for an empty file. */
  readonly value: unknown
  readonly sourceOf: SourceOf
  /** Faults of the YAML itself. */
  readonly problems: readonly Problem[]
}

export function readDocument(text: string, file: string): SettingsDocument {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, strict: true })
  const sayLine = (offset: number) => `${file}:${lines.linePos(offset).line}`
  const faults = [...document.errors, ...document.warnings]
  if (faults.length > 0) {
    const problems = faults.map((fault) => ({ path: '', message: fault.message, source: sayLine(fault.pos[0]) }))
    return { value: {}, sourceOf: () => file, problems }
  }
  const plain = plainValue(document)
  if (plain === undefined) {
    const problem = { path: '', message: 'aliases may not contain themselves or multiply', source: file }
    return { value: {}, sourceOf: () => file, problems: [problem] }
  }
  return {
    value: plain,
    problems: [],
    sourceOf: (path) => {
      for (let length = path.length; length > 0; length--) {
        const offset = offsetIn(document, path.slice(0, length))
        if (offset !== undefined) return sayLine(offset)
      }
      return file
    },
  }
}

/** Undefined for what has no end: an alias inside of what it stands for, or aliases of aliases of aliases. */
function plainValue(document: Document): unknown {
  try {
    const value: unknown = document.toJS({ maxAliasCount: 20 }) ?? {}
    JSON.stringify(value)
    return value
  } catch {
    return undefined
  }
}

/** Where the key, or else the value, at a path begins. */
function offsetIn(document: Document, path: Path): number | undefined {
  const holder = document.getIn(path.slice(0, -1), true)
  if (isMap(holder)) {
    const key = holder.items.find((pair) => isScalar(pair.key) && pair.key.value === path.at(-1))?.key
    if (isScalar(key)) return key.range?.[0]
  }
  const node = document.getIn(path, true)
  return isNode(node) ? node.range?.[0] : undefined
}
