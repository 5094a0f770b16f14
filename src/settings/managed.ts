/**
 * Settings that change while the gateway runs: the `spec` of a `WorkspaceManager` over what the settings file says, by the same rules.
 * Finds every problem before it gives up, and says where each stands in the object.
 */
import { createHash } from 'node:crypto'
import { buildConnections, buildIssuer, buildRouting } from './build.ts'
import { checkValue, type Entry, type PartReader, partReader, type Readable } from './check.ts'
import type { InsecureName } from './insecure.ts'
import {
  type ClientSecretRef,
  managedIssuerSchema,
  managedSchema,
  type RawManaged,
  type RawManagedIssuer,
} from './managed-schema.ts'
import { type Problem, problemAt } from './problem.ts'
import { applyRules, type Finding } from './rules.ts'
import type { RawIssuer } from './schema.ts'
import { Secret } from './secret.ts'
import type { Secrets, Settings } from './settings.ts'
import { isTree } from './tree.ts'
import { weaknessOf } from './weak-secret.ts'

/** Settings as they are in force at one time, with the secrets they lead to. */
export interface Edition {
  readonly settings: Settings
  readonly secrets: Secrets
}

export type Managed =
  | { readonly kind: 'good'; readonly edition: Edition }
  | {
      readonly kind: 'refused'
      readonly problems: readonly Problem[]
      /** Nothing is wrong but Secrets, so that nobody has to change the object. */
      readonly forSecretsAlone: boolean
    }

/** The secret, or why there is none. */
export type ClientSecretOf = (reference: ClientSecretRef) => Secret | string

/**
 * @example
 * const managed = managedSettings(manager.spec, base, (reference) => known.get(reference.name) ?? 'there is no such Secret')
 * if (managed.kind === 'refused') for (const problem of managed.problems) tell(sayProblem(problem))
 */
export function managedSettings(spec: unknown, base: Edition, clientSecretOf: ClientSecretOf): Managed {
  const written: unknown = structuredClone(spec)
  const given = new Set(isTree(written) ? Object.keys(written) : [])
  const reader = partReader()
  const issuers = issuersIn(written, reader)
  const { problems, value } = checkValue(managedSchema, written, nowhere)
  const clientSecrets = new Map<string, Secret>()
  const byRules = applyRules(readableOf(written, reader, issuers, base.settings), 'manager')
  const findings = [...byRules, ...fetchSecrets(issuers, clientSecretOf, clientSecrets)]
  const all = [...problems, ...findings.map(({ path, message }) => problemAt(path, message, nowhere))]
  if (value === undefined || all.length > 0)
    return { kind: 'refused', problems: all, forSecretsAlone: problems.length + byRules.length === 0 }
  const secrets = given.has('oidc') ? { ...base.secrets, clientSecrets } : base.secrets
  return { kind: 'good', edition: { settings: settingsOf(value, given, issuers, base.settings), secrets } }
}

/** Every Secret that a spec leads to, as far as it can be read. */
export function clientSecretRefsIn(spec: unknown): readonly ClientSecretRef[] {
  return issuersIn(structuredClone(spec), partReader()).flatMap(({ value }) => value.clientSecretRef ?? [])
}

const nowhere = () => undefined

type ManagedIssuer = RawManagedIssuer & { readonly id: string }

function issuersIn(spec: unknown, reader: PartReader): readonly Entry<ManagedIssuer>[] {
  const entries = reader.pickEntries(managedIssuerSchema, isTree(spec) ? spec.oidc : undefined)
  return entries.map(({ index, value }) => ({ index, value: { ...value, id: value.id ?? idOf(value) } }))
}

/** Another issuer, or another client of it, never comes to have it: logins on their way know it. */
function idOf({ issuer, clientId }: RawManagedIssuer): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([issuer, clientId]))
    .digest('hex')
  return `oidc-${digest.slice(0, 10)}`
}

function rawIssuerOf({ clientSecretRef: _, ...issuer }: ManagedIssuer): RawIssuer {
  return { ...issuer, displayName: issuer.displayName ?? URL.parse(issuer.issuer)?.host ?? issuer.id }
}

/** For the rules: what only a settings file says has been judged with it. */
function readableOf(
  spec: unknown,
  { pick }: PartReader,
  issuers: readonly Entry<ManagedIssuer>[],
  base: Settings,
): Readable {
  const tree = isTree(spec) ? spec : {}
  const { domain, routing, connections } = managedSchema.properties
  const isInsecure = (name: InsecureName) => base.insecure.includes(name)
  return {
    domain: pick(domain, tree.domain),
    connections: tree.connections === undefined ? undefined : pick(connections, tree.connections),
    external: base.external,
    routing: tree.routing === undefined ? undefined : pick(routing, tree.routing),
    issuers: issuers.map(({ index, value }) => ({ index, value: rawIssuerOf(value) })),
    hasIssuers: tree.oidc === undefined ? base.oidc.length > 0 : !Array.isArray(tree.oidc) || tree.oidc.length > 0,
    insecureHttpIssuer: isInsecure('insecureHttpIssuer'),
    insecureHttpExternal: isInsecure('insecureHttpExternal'),
    insecureWideBind: isInsecure('insecureWideBind'),
    insecureTrustEveryProxy: isInsecure('insecureTrustEveryProxy'),
    operations: undefined,
    sessions: undefined,
    demo: undefined,
    trustedProxies: [],
    listeners: [],
    machines: [],
  }
}

function fetchSecrets(
  issuers: readonly Entry<ManagedIssuer>[],
  clientSecretOf: ClientSecretOf,
  found: Map<string, Secret>,
): readonly Finding[] {
  return issuers.flatMap(({ index, value: { id, clientSecretRef } }): readonly Finding[] => {
    if (clientSecretRef === undefined) return []
    const path = ['oidc', index, 'clientSecretRef']
    const secret = clientSecretOf(clientSecretRef)
    if (!(secret instanceof Secret)) return [{ path, message: secret }]
    found.set(id, secret)
    const weakness = weaknessOf(secret.reveal())
    return weakness === undefined ? [] : [{ path, message: weakness }]
  })
}

function settingsOf(
  raw: RawManaged,
  given: ReadonlySet<string>,
  issuers: readonly Entry<ManagedIssuer>[],
  base: Settings,
): Settings {
  const isHttpAllowed = base.insecure.includes('insecureHttpIssuer')
  const routing = given.has('routing') && raw.routing ? raw.routing : rawRoutingOf(base)
  const isShared = routing.mode === 'path' && routing.insecureSharedOrigin
  const others = base.insecure.filter((name) => name !== sharedOrigin)
  return {
    ...base,
    domain: raw.domain,
    routing: buildRouting(raw.domain, routing),
    oidc: given.has('oidc') ? issuers.map(({ value }) => buildIssuer(rawIssuerOf(value), isHttpAllowed)) : base.oidc,
    connections: given.has('connections') && raw.connections ? buildConnections(raw.connections) : base.connections,
    locked: [...new Set([...base.locked, ...(raw.locked ?? [])])],
    administrators: given.has('administrators') && raw.administrators ? raw.administrators : base.administrators,
    access: given.has('access') && raw.access ? raw.access : base.access,
    insecure: isShared ? [...others, sharedOrigin] : others,
  }
}

const sharedOrigin: InsecureName = 'routing.insecureSharedOrigin'

function rawRoutingOf({ routing, insecure }: Settings) {
  return { mode: routing.mode, insecureSharedOrigin: insecure.includes(sharedOrigin) }
}
