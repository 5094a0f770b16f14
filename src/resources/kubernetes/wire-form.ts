/**
 * Where a kind's `spec` and `status` are within an object of the API server. Kinds know nothing of it: whoever opens the store says which of
 * them are kept in another form than everybody's.
 */
import { GatewayError } from '#errors.ts'
import { isJsonObject } from '#lib/merge-patch.ts'
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
}

/** `spec` and `status`, as custom resources have them. */
export const plainForm: WireForm = {
  read: ({ body, metadata }) => ({ spec: body.spec, status: body.status, generation: metadata.generation }),
  write: (spec) => ({ spec }),
  isPatchable: true,
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
