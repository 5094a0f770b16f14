/**
 * Where a kind's `spec` and `status` are within an object of the API server. Kinds know nothing of it: whoever opens the store says which of
 * them are kept in another form than everybody's.
 */
import { GatewayError } from '#errors.ts'
import { isJsonObject } from '#lib/merge-patch.ts'
import type { ObjectMeta } from '#resources/contract.ts'
import type { WireObject } from './wire-object.ts'

export interface WireContent {
  readonly spec: unknown
  readonly status: unknown
  readonly generation: number
}

export interface WireForm {
  /** Throws `invalid_resource`. */
  read(object: WireObject): WireContent
  /** Fields of the object; each stands for all that was in it. */
  write(spec: unknown, generation: number): Readonly<Record<string, unknown>>
  /**
   * Whether an administrator has made the object for Gatehouse to fill: for whoever reads there is none yet, and to create it is to fill it. So
   * Gatehouse needs no right to create what it may change by name.
   */
  readonly isEmpty?: (object: WireObject) => boolean
  /** Whether a patch of the spec is one of the object. */
  readonly isPatchable: boolean
  /** What is kept of the metadata, if not all of it: then nothing may stand for the whole object. */
  readonly keeps?: (metadata: ObjectMeta) => ObjectMeta
}

/** `spec` and `status`, as custom resources have them. */
export const plainForm: WireForm = {
  read: ({ body, metadata }) => ({ spec: body.spec, status: body.status, generation: metadata.generation }),
  write: (spec) => ({ spec }),
  isPatchable: true,
}

/** Names of what is read of an object. */
export interface LeanFields {
  /** Absent: all, where a field that nobody knows has to be seen. */
  readonly spec?: readonly string[]
  readonly status: readonly string[]
  readonly annotations: readonly string[]
  /** The longest that a field of the spec may be, in characters: the rest of it is cut off. */
  readonly texts?: Readonly<Record<string, number>>
  /** What is kept of a field of the spec that may hold anything. */
  readonly shapes?: Readonly<Record<string, (value: unknown) => unknown>>
}

/**
 * Of objects that others write and that are held by the thousand: their fields and annotations can be megabytes, for which whoever may make them must
 * not use up the memory of the gateway.
 */
export function leanForm({ spec, status, annotations, texts = {}, shapes = {} }: LeanFields): WireForm {
  return {
    read: ({ body, metadata }) => ({
      spec: shape(cut(spec === undefined ? body.spec : pick(body.spec, spec), texts), shapes),
      status: pick(body.status, status),
      generation: metadata.generation,
    }),
    write: plainForm.write,
    isPatchable: true,
    keeps: (metadata) => {
      const named = Object.entries(metadata.annotations).filter(([name]) => annotations.includes(name))
      return { ...metadata, labels: {}, annotations: Object.fromEntries(named) }
    },
  }
}

/** What is no object is left for the parser to refuse. */
function pick(value: unknown, names: readonly string[]): unknown {
  if (!isJsonObject(value)) return value
  return Object.fromEntries(Object.entries(value).filter(([name]) => names.includes(name)))
}

function shape(value: unknown, shapes: NonNullable<LeanFields['shapes']>): unknown {
  if (!isJsonObject(value)) return value
  const shaped = Object.entries(shapes).filter(([name]) => name in value)
  return { ...value, ...Object.fromEntries(shaped.map(([name, keep]) => [name, keep(value[name])])) }
}

function cut(value: unknown, texts: Readonly<Record<string, number>>): unknown {
  if (!isJsonObject(value)) return value
  const entries = Object.entries(value).map(([name, field]) => {
    const longest = texts[name]
    const isLong = typeof field === 'string' && longest !== undefined && field.length > longest
    return [name, isLong ? `${field.slice(0, longest - 1).toWellFormed()}…` : field] as const
  })
  return Object.fromEntries(entries)
}

/**
 * A `Secret` of Gatehouse's own: the whole spec as JSON under `spec`. The API server counts no generations of Secrets, so it is kept beside it.
 */
export const jsonSecret: WireForm = {
  read({ body }) {
    const data = dataOf(body)
    const { spec = '', generation = '' } = data
    if (!/^[1-9]\d{0,14}$/.test(generation)) throw invalid('data.generation is no number')
    return { spec: parse(spec), status: undefined, generation: Number(generation) }
  },
  write: (spec, generation) => ({
    data: { spec: encode(JSON.stringify(spec)), generation: encode(String(generation)) },
  }),
  isEmpty: ({ body }) => Object.keys(dataOf(body)).length === 0,
  isPatchable: false,
}

/** A `Secret` that people write: the spec is its keys, each with the text it holds. */
export const textSecret: WireForm = {
  read: ({ body, metadata }) => ({ spec: dataOf(body), status: undefined, generation: metadata.generation }),
  write(spec) {
    const entries = Object.entries(isJsonObject(spec) ? spec : {})
    return { data: Object.fromEntries(entries.map(([key, value]) => [key, encode(String(value))])) }
  },
  isPatchable: false,
}

function dataOf(body: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const entries = Object.entries(isJsonObject(body.data) ? body.data : {})
  return Object.fromEntries(
    entries.map(([key, value]) => [
      key,
      Buffer.from(typeof value === 'string' ? value : '', 'base64').toString('utf8'),
    ]),
  )
}

function encode(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64')
}

/** The message of the parser would quote what is secret. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw invalid('data.spec is no JSON')
  }
}

function invalid(message: string): GatewayError {
  return new GatewayError('invalid_resource', message)
}
