/**
 * YAML as manifests need it: every document as plain data, with the line of any part of it. Bounded in what a file can cost, because the
 * library's own checks are quadratic in the keys of a map, and its conversion exponential in nested complex keys.
 */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  parseAllDocuments,
  type YAMLMap,
} from 'yaml'
import { messageOf } from '#errors.ts'

export interface YamlFault {
  /** From 1. */
  readonly line: number
  readonly reason: string
}

export interface YamlDocument {
  readonly value: unknown
  /** The line of the part at `path`, or of the nearest part around it that exists. */
  lineOf(path: readonly string[]): number
}

export type ReadYaml =
  | { readonly ok: true; readonly documents: readonly YamlDocument[] }
  | { readonly ok: false; readonly faults: readonly YamlFault[] }

/** Some 14,000 lines of a usual manifest; less than a second of work at the worst. */
const tokenLimit = 100_000
/** Anchors and aliases together: few manifests have any. */
const aliasLimit = 100
const depthLimit = 64
/** The first ones say what is wrong. */
const faultLimit = 20

/** Documents that hold nothing, or comments alone, are left out. */
export function readYaml(text: string): ReadYaml {
  const excess = excessOf(text)
  if (excess !== undefined) return { ok: false, faults: [{ line: 1, reason: excess }] }
  const lines = new LineCounter()
  const lineAt = (offset: number) => Math.max(lines.linePos(offset).line, 1)
  const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false })
  const documents: YamlDocument[] = []
  const faults: YamlFault[] = []
  for (const document of parsed) {
    const broken = faultsOf(document, lineAt)
    faults.push(...broken)
    if (broken.length > 0) continue
    try {
      const value: unknown = document.toJS({ maxAliasCount: aliasLimit })
      if (value !== null) documents.push({ value, lineOf: (path) => lineAt(offsetOf(document, path)) })
    } catch (error) {
      faults.push({ line: lineAt(document.range?.[0] ?? 0), reason: messageOf(error) })
    }
  }
  return faults.length > 0 ? { ok: false, faults: faults.slice(0, faultLimit) } : { ok: true, documents }
}

/** Looks at tokens alone, which takes time in proportion to the text. */
function excessOf(text: string): string | undefined {
  let tokens = 0
  let aliases = 0
  for (const token of new Lexer().lex(text)) {
    tokens += 1
    if (token.startsWith('&') || token.startsWith('*')) aliases += 1
    if (tokens > tokenLimit) return `has more than ${tokenLimit} YAML tokens`
    if (aliases > aliasLimit) return `has more than ${aliasLimit} anchors and aliases`
  }
  return undefined
}

function faultsOf(document: Document.Parsed, lineAt: (offset: number) => number): readonly YamlFault[] {
  // A warning says that a tag or a directive was not understood: the file does not mean what it says.
  const said = [...document.errors, ...document.warnings].map((fault) => ({
    line: lineAt(fault.pos[0]),
    reason: fault.message,
  }))
  if (said.length > 0) return said
  const faults: YamlFault[] = []
  checkNode(document.contents, 0, (offset, reason) => faults.push({ line: lineAt(offset), reason }))
  return faults
}

type Report = (offset: number, reason: string) => void

function checkNode(node: unknown, depth: number, report: Report): void {
  if (depth > depthLimit) report(startOf(node) ?? 0, `is nested deeper than ${depthLimit}`)
  else if (isSeq(node)) for (const item of node.items) checkNode(item, depth + 1, report)
  else if (isMap(node)) checkMap(node, depth, report)
}

function checkMap(map: YAMLMap, depth: number, report: Report): void {
  const seen = new Set<string>()
  for (const { key, value } of map.items) {
    const name = keyText(key)
    const offset = startOf(key) ?? startOf(map) ?? 0
    if (name === undefined) report(offset, 'a key must be plain text')
    else if (seen.has(name)) report(offset, `the key '${name}' is there twice`)
    else seen.add(name)
    checkNode(value, depth + 1, report)
  }
}

function keyText(key: unknown): string | undefined {
  return isScalar(key) ? String(key.value) : undefined
}

function startOf(node: unknown): number | undefined {
  return isMap(node) || isSeq(node) || isScalar(node) || isAlias(node) ? node.range?.[0] : undefined
}

function offsetOf(document: Document.Parsed, path: readonly string[]): number {
  let node: Node | null | undefined = document.contents
  let offset = startOf(node) ?? 0
  for (const step of path) {
    const next = stepInto(isAlias(node) ? node.resolve(document) : node, step)
    if (next === undefined) break
    offset = startOf(next.at) ?? offset
    node = next.node
  }
  return offset
}

/** Where a step leads, and what shows where it is: for a field its key, because its value may begin on a later line. */
function stepInto(node: unknown, step: string): { readonly at: unknown; readonly node: Node | undefined } | undefined {
  if (isMap(node)) {
    const pair = node.items.find(({ key }) => keyText(key) === step)
    return pair && { at: pair.key, node: asNode(pair.value) }
  }
  if (!isSeq(node)) return undefined
  const item: unknown = node.items[Number(step)]
  return item === undefined ? undefined : { at: item, node: asNode(item) }
}

function asNode(value: unknown): Node | undefined {
  return isMap(value) || isSeq(value) || isScalar(value) || isAlias(value) ? value : undefined
}
