/**
 * Objects of the real Kubernetes, read and written within this process: a `kubectl` for each call takes more of a busy machine than what it asks for.
 * Where `kubectl` is what a test is about, it is a real one (`cluster.ts`).
 */
import { GatewayError } from '#errors.ts'
import { systemClock } from '#lib/clock.ts'
import { type ApiAccess, kubeconfigAccess } from '#resources/kubernetes/api-access.ts'
import { type ApiClient, openApiClient } from '#resources/kubernetes/api-client.ts'
import { type ResourceType, resourcePath } from '#resources/kubernetes/resource-path.ts'

/** What an object says of itself wherever it is written down. */
export interface ObjectHead {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
}

/** Who speaks; the administrator, if nobody is named. */
export interface Speaker {
  /** A user, by impersonation. */
  readonly as?: string
  readonly asGroup?: string
  /** Path of a file, instead of the administrator's. */
  readonly kubeconfig?: string
}

/** Everything there is of a kind. */
export interface Listed {
  readonly apiVersion: string
  readonly kind: string
  /** All of them if absent. */
  readonly namespace?: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
}

export function kubeconfigPath(): string {
  const path = process.env.GATEHOUSE_TEST_KUBECONFIG
  if (!path) throw new Error('GATEHOUSE_TEST_KUBECONFIG names no kubeconfig')
  return path
}

type Query = Readonly<Record<string, string>>

export interface ObjectPlace {
  /** `status`, `log`. */
  readonly subresource?: string
  readonly query?: Query
}

/** As `kubectl` does it: a field that the kind does not have is refused. What is written is no gateway's. */
const strictly = { fieldValidation: 'Strict', fieldManager: 'gatehouse-tests' }

/** As it is in the cluster then. `T` is what the test looks at of it. */
export async function createObject<T>(object: object, by: Speaker = {}, query: Query = {}): Promise<T> {
  const { metadata, ...head } = headOf(object)
  const path = resourcePath(typeOf(head), { ...within(metadata.namespace), query: { ...strictly, ...query } })
  return known(await clientOf(by).post(path, object))
}

/** Creates each of them in turn; one that there is already gets these fields, and keeps those that are not named here. */
export async function apply(...objects: readonly object[]): Promise<void> {
  for (const object of objects) {
    const isNew = await unless('already_exists', createObject(object))
    if (!isNew) await mergeObject(headOf(object), object)
  }
}

export async function mergeObject(at: ObjectHead, patch: object, by: Speaker = {}): Promise<void> {
  await clientOf(by).patch(pathOf(at, { query: strictly }), 'application/merge-patch+json', patch)
}

/** Throws `not_found` when there is none. */
export async function readObject<T>(at: ObjectHead): Promise<T> {
  return known(await clientOf().get(pathOf(at)))
}

/** `undefined` when there is none. */
export async function findObject<T>(at: ObjectHead): Promise<T | undefined> {
  try {
    return await readObject<T>(at)
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'not_found') return undefined
    throw error
  }
}

export async function listObjects<T>(what: Listed): Promise<readonly T[]> {
  const { apiVersion, kind, namespace, ...query } = what
  const path = resourcePath(typeOf({ apiVersion, kind }), { ...within(namespace), query })
  return known<{ readonly items: readonly T[] }>(await clientOf().get(path)).items
}

/** It may linger: nothing is waited for. One that there is not is as good as deleted. */
export async function deleteObject(at: ObjectHead, options: object = {}): Promise<void> {
  await unless('not_found', clientOf().delete(pathOf(at), options))
}

/** All of them, as {@link deleteObject}. */
export async function deleteObjects({ apiVersion, kind, namespace, ...query }: Listed, options = {}): Promise<void> {
  await clientOf().delete(resourcePath(typeOf({ apiVersion, kind }), { ...within(namespace), query }), options)
}

/** Of a ServiceAccount, for an hour; for the API server itself, if no audience is named. */
export async function createToken(
  account: { readonly namespace: string; readonly name: string },
  ...audiences: readonly string[]
): Promise<string> {
  const path = pathOf({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: account }, { subresource: 'token' })
  const asked = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences } }
  const { status } = known<{ readonly status: { readonly token: string } }>(await clientOf().post(path, asked))
  return status.token
}

/** For what the API server has beside objects, and for their subresources. */
export function apiCalls(by: Speaker = {}): ApiClient {
  return clientOf(by)
}

export function pathOf(at: ObjectHead, { subresource = '', query = {} }: ObjectPlace = {}): string {
  const { name, namespace } = at.metadata
  // Roles may have names that nothing else has, such as `gatehouse:of-a-release`.
  const path = `${resourcePath(typeOf(at), within(namespace))}/${encodeURIComponent(name)}`
  const asked = new URLSearchParams(query).toString()
  return `${path}${subresource && `/${subresource}`}${asked && `?${asked}`}`
}

/** One for each speaker of this process, whose connections are kept. */
const clients = new Map<string, ApiClient>()
const untilTheProcessEnds = new AbortController().signal

function clientOf(by: Speaker = {}): ApiClient {
  const { kubeconfig: file = kubeconfigPath() } = by
  const name = JSON.stringify([file, by])
  const found = clients.get(name)
  if (found) return found
  const access = speaking(kubeconfigAccess({ file, clock: systemClock }), by)
  const client = openApiClient({ access, clock: systemClock, signal: untilTheProcessEnds })
  clients.set(name, client)
  return client
}

function speaking(access: ApiAccess, { as, asGroup }: Speaker): ApiAccess {
  const user = as === undefined ? {} : { 'impersonate-user': as }
  const group = asGroup === undefined ? {} : { 'impersonate-group': asGroup }
  return {
    async current() {
      const connection = await access.current()
      return { ...connection, headers: () => ({ ...connection.headers(), ...user, ...group }) }
    },
    renew: () => access.renew(),
  }
}

function typeOf({ apiVersion, kind }: Pick<ObjectHead, 'apiVersion' | 'kind'>): ResourceType {
  const [version = '', group = ''] = apiVersion.split('/').reverse()
  const singular = kind.toLowerCase()
  const plural = /[^aeiou]y$/.test(singular) ? `${singular.slice(0, -1)}ies` : `${singular}${endingOf(singular)}`
  return { group, version, plural }
}

function endingOf(singular: string): string {
  return singular.endsWith('s') ? 'es' : 's'
}

function within(namespace: string | undefined) {
  return namespace === undefined ? {} : { namespace }
}

/** `false` when it failed so. */
export async function unless(code: GatewayError['code'], call: Promise<unknown>): Promise<boolean> {
  try {
    await call
    return true
  } catch (error) {
    if (error instanceof GatewayError && error.code === code) return false
    throw error
  }
}

function headOf(object: object): ObjectHead {
  const head = known<Partial<ObjectHead>>(object)
  if (!head.apiVersion || !head.kind || !head.metadata?.name) throw new Error(`no object: ${JSON.stringify(object)}`)
  return { apiVersion: head.apiVersion, kind: head.kind, metadata: head.metadata }
}

/** The API server keeps to its schemas, and a test fails where it looks at what is not there. */
function known<T>(answer: unknown): T {
  return answer as T
}
