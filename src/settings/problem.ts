/** What is wrong with settings, in words that say where and what to do, and never the value: it could be a secret in the wrong place. */
import type { ErrorObject } from 'ajv'
import { nearestName } from '#lib/nearest-name.ts'
import { formats } from './formats.ts'

export type Path = readonly (string | number)[]

export interface Problem {
  /** `oidc[0].issuer`; `''` for the whole. */
  readonly path: string
  readonly message: string
  /** Where it was written: `settings.yaml:12`, `GATEHOUSE_DOMAIN`, `--manifests`. */
  readonly source: string | undefined
}

/** Finds where the value at a path was written, or its nearest written parent. */
export type SourceOf = (path: Path) => string | undefined

export function problemAt(path: Path, message: string, sourceOf: SourceOf): Problem {
  return { path: sayPath(path), message, source: sourceOf(path) }
}

export function sayPath(path: Path): string {
  return path.reduce<string>((said, part) => {
    if (typeof part === 'number') return `${said}[${part}]`
    return said === '' ? part : `${said}.${part}`
  }, '')
}

export function sayProblem(problem: Problem): string {
  return [problem.source, problem.path, problem.message].filter((part) => part !== undefined && part !== '').join(': ')
}

/** A fault that ajv found, as a problem. */
export function problemOf(error: ErrorObject, sourceOf: SourceOf): Problem {
  const path = readPointer(error.instancePath)
  const key = stringOf(error.params.additionalProperty) ?? stringOf(error.params.missingProperty)
  return problemAt(key === undefined ? path : [...path, key], explain(error), sourceOf)
}

function readPointer(pointer: string): Path {
  const parts = pointer.split('/').slice(1)
  return parts.map((part) => {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
    return /^\d+$/.test(name) ? Number(name) : name
  })
}

function explain(error: ErrorObject): string {
  const { params } = error
  switch (error.keyword) {
    case 'additionalProperties':
      return explainUnknown(error)
    case 'required':
      return 'is required'
    case 'type':
      return explainType(error)
    case 'enum':
      return `must be one of ${Array.isArray(params.allowedValues) ? params.allowedValues.join(', ') : 'a list'}`
    case 'format':
      return `must be ${formats.get(stringOf(params.format) ?? '')?.meaning ?? 'of another form'}`
    case 'minProperties':
    case 'maxProperties':
      return 'must name exactly one of file and env'
    case 'minItems':
      return 'must have at least one entry'
    case 'minLength':
      return 'must not be empty'
    default:
      return error.message ?? `breaks the rule "${error.keyword}"`
  }
}

const typeNames: ReadonlyMap<string, string> = new Map([
  ['object', 'a group of keys'],
  ['array', 'a list'],
  ['string', 'text'],
  ['integer', 'a whole number'],
  ['boolean', 'true or false'],
])

function explainType(error: ErrorObject): string {
  if (isSecretReference(error.parentSchema)) {
    return 'must be {file: PATH} or {env: NAME}: secrets are not written into settings'
  }
  const format = formats.get(formatOf(error.parentSchema) ?? '')
  if (format) return `must be ${format.meaning}`
  return `must be ${typeNames.get(stringOf(error.params.type) ?? '') ?? 'of another type'}`
}

function isSecretReference(schema: unknown): boolean {
  const known = keysOf(schema)
  return known.length === 2 && known.includes('file') && known.includes('env')
}

function explainUnknown(error: ErrorObject): string {
  const nearest = nearestName(stringOf(error.params.additionalProperty) ?? '', keysOf(error.parentSchema))
  return nearest === undefined ? 'is not a known key' : `is not a known key; did you mean ${nearest}?`
}

function keysOf(schema: unknown): string[] {
  const isObject = typeof schema === 'object' && schema !== null
  return isObject && 'properties' in schema ? Object.keys(schema.properties ?? {}) : []
}

function formatOf(schema: unknown): string | undefined {
  return typeof schema === 'object' && schema !== null && 'format' in schema ? stringOf(schema.format) : undefined
}

function stringOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
