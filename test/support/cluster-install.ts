/** What an administrator installs into the cluster before the gateway, from `config/`: for tests, as often and by as many at once as they like. */
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'
import { kubectl, tryKubectl } from './cluster.ts'

const configFolder = fileURLToPath(new URL('../../config', import.meta.url))

/** Every custom resource of `config/crd`, served when this returns. They stay in the cluster. */
export async function installCrds(): Promise<void> {
  await applyAgain(['-k', `${configFolder}/crd`])
  const kinds = (await kubectl(['kustomize', `${configFolder}/crd`])).matchAll(/^ {2}name: (\S+\.\S+)$/gm)
  const names = [...kinds].map(([, name = '']) => `crd/${name}`)
  await kubectl(['wait', '--for=condition=Established', '--timeout=60s', ...names])
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
  const text = await kubectl(['kustomize', `${configFolder}/policies`])
  const forAccount = (json: string) => json.replaceAll('system:serviceaccount:gatehouse:gatehouse', scope.account)
  const objects = parseAllDocuments(text)
    .map((document): PolicyObject => JSON.parse(forAccount(JSON.stringify(document.toJS()))))
    .map((object) => ({ ...object, metadata: { name: `${object.metadata.name}-${suffix}` } }))
    .map((object) => (isBinding(object) ? bindTo(object, suffix, scope.namespaces) : object))
  const names = new Map(
    objects.filter(isBinding).map(({ metadata: { name } }) => [name.slice(0, -suffix.length - 1), name]),
  )
  await applyAgain(['-f', '-'], objects)
  for (const [name, installed] of names) await untilInForce(name, installed, scope)
  return {
    names,
    async [Symbol.asyncDispose]() {
      const all = objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`)
      await kubectl(['delete', '--ignore-not-found', ...all])
    },
  }
}

interface PolicyObject {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: { readonly policyName?: string }
}

function isBinding(object: PolicyObject): boolean {
  return object.kind === 'ValidatingAdmissionPolicyBinding'
}

function bindTo(binding: PolicyObject, suffix: string, namespaces: readonly string[]): PolicyObject {
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
  const asGateway = { as: account, asGroups: ['system:masters'], input: [question] }
  for (let attempt = 1; attempt <= 300; attempt++) {
    const { code, stderr } = await tryKubectl(['create', '--dry-run=server', '-f', '-'], asGateway)
    if (code !== 0 && stderr.includes(`'${installed}'`)) return
    await delay(100)
  }
  throw new Error(`${installed} is not in force after 30 s`)
}

/** Two processes that apply one object at the same instant: one of them is told to try again. */
async function applyAgain(what: readonly string[], input?: readonly object[]): Promise<void> {
  const args = ['apply', '--server-side', '--force-conflicts', '--field-manager=gatehouse-tests', ...what]
  for (let attempt = 1; ; attempt++) {
    const { code, stdout, stderr } = await tryKubectl(args, input ? { input } : {})
    if (code === 0) return
    const isRace = /Conflict|has been modified|AlreadyExists|already exists/.test(stderr)
    if (!isRace || attempt === 10) throw new Error(`kubectl ${args.join(' ')} ended with ${code}: ${stderr || stdout}`)
    await delay(100 * attempt)
  }
}
