/** Checks a tree of settings against the schema, and keeps apart what is fit for further checks from what is not. */
import { Ajv, type ErrorObject } from 'ajv'
import type { Static, TSchema } from 'typebox'
import { formats } from './formats.ts'
import { type Problem, problemOf, type SourceOf } from './problem.ts'
import {
  issuerSchema,
  listenerSchema,
  machineSchema,
  type RawIssuer,
  type RawListener,
  type RawMachine,
  type RawSettings,
  settingsSchema,
} from './schema.ts'
import { isTree, type Tree } from './tree.ts'

/** An entry of a list and where it stands in it. */
export interface Entry<T> {
  readonly index: number
  readonly value: T
}

/**
 * What the rules look at, as far as it could be read, so that one faulty key doesn't hide the faults of others:
 * what the schema refuses is `undefined`, entries of lists are judged one by one.
 */
export interface Readable {
  readonly domain: string | undefined
  readonly external: RawSettings['external'] | undefined
  readonly routing: RawSettings['routing'] | undefined
  readonly operations: RawSettings['operations'] | undefined
  readonly sessions: RawSettings['sessions'] | undefined
  readonly demo: RawSettings['demo'] | undefined
  readonly connections: RawSettings['connections'] | undefined
  readonly insecureHttpIssuer: boolean | undefined
  readonly insecureHttpExternal: boolean | undefined
  readonly insecureWideBind: boolean | undefined
  readonly insecureTrustEveryProxy: boolean | undefined
  readonly trustedProxies: readonly Entry<string>[]
  readonly listeners: readonly Entry<RawListener>[]
  readonly issuers: readonly Entry<RawIssuer>[]
  readonly machines: readonly Entry<RawMachine>[]
  /** Undefined when `oidc` is no list. */
  readonly hasIssuers: boolean | undefined
}

export interface Check {
  readonly problems: readonly Problem[]
  readonly readable: Readable
  /** Undefined when the schema found any problem. */
  readonly whole: RawSettings | undefined
}

/** Fills in the defaults of `tree`, in place. */
export function checkTree(tree: Tree, sourceOf: SourceOf): Check {
  const { problems, value } = checkValue(settingsSchema, tree, sourceOf)
  return value === undefined
    ? { problems, readable: readableParts(tree), whole: undefined }
    : { problems, readable: readableWhole(value), whole: value }
}

/** Fills in the defaults of `value`, in place. `value` is undefined when the schema found any problem. */
export function checkValue<S extends TSchema>(
  schema: S,
  value: unknown,
  sourceOf: SourceOf,
): { readonly problems: readonly Problem[]; readonly value: Static<S> | undefined } {
  const ajv = withFormats(
    new Ajv({ allErrors: true, useDefaults: true, verbose: true, strict: true, strictTypes: false }),
  )
  const isGood = ajv.compile<Static<S>>(schema)
  if (isGood(value)) return { problems: [], value }
  return { problems: (isGood.errors ?? []).map((error) => problemOf(error, sourceOf)), value: undefined }
}

function withFormats(ajv: Ajv): Ajv {
  for (const [name, format] of formats) ajv.addFormat(name, format.isOk)
  return ajv
}

function readableWhole(raw: RawSettings): Readable {
  return {
    ...raw,
    trustedProxies: entriesOf(raw.trustedProxies),
    listeners: entriesOf(raw.listeners),
    issuers: entriesOf(raw.oidc),
    machines: entriesOf(raw.machines),
    hasIssuers: raw.oidc.length > 0,
  }
}

function entriesOf<T>(list: readonly T[]): readonly Entry<T>[] {
  return list.map((value, index) => ({ index, value }))
}

/** Reads what is fit for the rules out of what a schema refuses in part. Fills in defaults, in place. */
export interface PartReader {
  pick<S extends TSchema>(schema: S, value: unknown): Static<S> | undefined
  /** None for what is no list. */
  pickEntries<S extends TSchema>(schema: S, list: unknown): Entry<Static<S>>[]
}

export function partReader(): PartReader {
  // Not strict: a section's default means nothing when the section is a schema of its own.
  const ajv = withFormats(new Ajv({ strict: false, allErrors: true, useDefaults: true }))
  const pick = <S extends TSchema>(schema: S, value: unknown): Static<S> | undefined => {
    const isGood = ajv.compile<Static<S>>(schema)
    if (isGood(value)) return value
    const rest = withoutFaults(value, isGood.errors ?? [])
    return isGood(rest) ? rest : undefined
  }
  const pickEntries = <S extends TSchema>(schema: S, list: unknown): Entry<Static<S>>[] => {
    const values: readonly unknown[] = Array.isArray(list) ? list : []
    return values.flatMap((item, index) => {
      const value = pick(schema, item)
      return value === undefined ? [] : [{ index, value }]
    })
  }
  return { pick, pickEntries }
}

function readableParts(tree: Tree): Readable {
  const { pick, pickEntries } = partReader()
  const { properties } = settingsSchema
  return {
    domain: pick(properties.domain, tree.domain),
    external: pick(properties.external, tree.external),
    routing: pick(properties.routing, tree.routing),
    operations: pick(properties.operations, tree.operations),
    sessions: pick(properties.sessions, tree.sessions),
    demo: pick(properties.demo, tree.demo),
    connections: pick(properties.connections, tree.connections),
    insecureHttpIssuer: pick(properties.insecureHttpIssuer, tree.insecureHttpIssuer),
    insecureHttpExternal: pick(properties.insecureHttpExternal, tree.insecureHttpExternal),
    insecureWideBind: pick(properties.insecureWideBind, tree.insecureWideBind),
    insecureTrustEveryProxy: pick(properties.insecureTrustEveryProxy, tree.insecureTrustEveryProxy),
    trustedProxies: pickEntries(properties.trustedProxies.items, tree.trustedProxies),
    listeners: pickEntries(listenerSchema, tree.listeners),
    issuers: pickEntries(issuerSchema, tree.oidc),
    machines: pickEntries(machineSchema, tree.machines),
    hasIssuers: Array.isArray(tree.oidc) ? tree.oidc.length > 0 : undefined,
  }
}

/** An object without those of its keys that have faults: what is left may still break a rule. */
function withoutFaults(value: unknown, errors: readonly ErrorObject[]): unknown {
  if (!isTree(value)) return undefined
  const faulty = new Set(errors.map((error) => error.instancePath.split('/')[1] ?? error.params.additionalProperty))
  return Object.fromEntries(Object.entries(value).filter(([key]) => !faulty.has(key)))
}
