/** What an administrator installs into the cluster before the gateway, from `config/`: for tests, as often and by as many at once as they like. */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parse, parseAllDocuments } from 'yaml'
import { messageOf } from '#errors.ts'
import { apply, createObject, deleteObject, type ObjectHead, readObject } from './cluster-api.ts'
import { until } from './until.ts'

const configFolder = fileURLToPath(new URL('../../config', import.meta.url))

/** Every custom resource of `config/crd`, served when this returns. They stay in the cluster. */
export async function installCrds(): Promise<void> {
  const kinds = await objectsBelow(join(configFolder, 'crd'))
  await Promise.all(kinds.map((kind) => apply(kind)))
  await Promise.all(kinds.map((kind) => until(() => isEstablished(kind))))
}

interface Established {
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] }
}

async function isEstablished(kind: ObjectHead): Promise<true | undefined> {
  const { status } = await readObject<Established>(kind)
  return status?.conditions?.some(({ type, status: is }) => type === 'Established' && is === 'True') || undefined
}

interface Kustomization {
  readonly apiVersion: string
  readonly kind: string
  readonly resources: readonly string[]
}

/** What a kustomization comes to that does no more than to name files and folders. */
async function objectsBelow(folder: string): Promise<readonly InstalledObject[]> {
  const file = join(folder, 'kustomization.yaml')
  const { apiVersion: _, kind: __, resources, ...more }: Kustomization = parse(await readFile(file, 'utf8'))
  if (Object.keys(more).length > 0) throw new Error(`${file} does more than to name resources`)
  const found = resources.map(async (name): Promise<readonly InstalledObject[]> => {
    if (!name.endsWith('.yaml')) return objectsBelow(join(folder, name))
    return parseAllDocuments(await readFile(join(folder, name), 'utf8')).map((document) => document.toJS())
  })
  return (await Promise.all(found)).flat()
}

export interface PolicyScope {
  /** The gateway's, as `system:serviceaccount:<namespace>:<name>`. */
  readonly account: string
  /** Where they hold; in the rest of the cluster everything stays as it is for other tests. */
  readonly namespaces: readonly [string, ...string[]]
}

export interface InstalledPolicies extends AsyncDisposable {
  /** As in `config/policies`, to what they are called here. */
  readonly names: ReadonlyMap<string, string>
}

/** Copies of `config/policies` for one account and some namespaces, in force when this returns. */
export async function installPolicies(scope: PolicyScope): Promise<InstalledPolicies> {
  const suffix = randomBytes(4).toString('hex')
  const forAccount = (json: string) => json.replaceAll('system:serviceaccount:gatehouse:gatehouse', scope.account)
  const objects = (await objectsBelow(join(configFolder, 'policies')))
    .map((object): InstalledObject => JSON.parse(forAccount(JSON.stringify(object))))
    .map((object) => ({ ...object, metadata: { name: `${object.metadata.name}-${suffix}` } }))
    .map((object) => (isBinding(object) ? bindTo(object, suffix, scope.namespaces) : object))
  const names = new Map(
    objects.filter(isBinding).map(({ metadata: { name } }) => [name.slice(0, -suffix.length - 1), name]),
  )
  await apply(...objects)
  await Promise.all([...names].map(([name, installed]) => untilInForce(name, installed, scope)))
  return {
    names,
    async [Symbol.asyncDispose]() {
      await Promise.all(objects.map((object) => deleteObject(object)))
    },
  }
}

interface InstalledObject extends ObjectHead {
  readonly spec: { readonly policyName?: string }
}

function isBinding(object: InstalledObject): boolean {
  return object.kind === 'ValidatingAdmissionPolicyBinding'
}

function bindTo(binding: InstalledObject, suffix: string, namespaces: readonly string[]): InstalledObject {
  const namespaceSelector = {
    matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: namespaces }],
  }
  const policyName = `${binding.spec.policyName}-${suffix}`
  return { ...binding, spec: { ...binding.spec, policyName, ...{ matchResources: { namespaceSelector } } } }
}

/** A share of this name is refused by that policy, even if it is the gateway who writes it: thus one finds out that it is in force. */
async function untilInForce(name: string, installed: string, { account, namespaces }: PolicyScope): Promise<void> {
  const question = {
    apiVersion: 'workspace.jupyter.org/v1alpha1',
    kind: 'WorkspaceShare',
    metadata: { namespace: namespaces[0], name: name.replace(/^gatehouse-/, 'gatehouse-asks-') },
    spec: { workspaces: [{ name: 'none' }], grantees: [{ kind: 'User', name: 'nobody' }] },
  }
  const asGateway = { as: account, asGroup: 'system:masters' }
  for (let attempt = 1; attempt <= 600; attempt++) {
    const refusal = await createObject(question, asGateway, { dryRun: 'All' }).then(() => '', messageOf)
    if (refusal.includes(`'${installed}'`)) return
    await delay(50)
  }
  throw new Error(`${installed} is not in force after 30 s`)
}
