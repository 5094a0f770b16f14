/**
 * The real Kubernetes that `GATEHOUSE_TEST_KUBECONFIG` names, as its administrator sees it: `kubectl`, and namespaces of one test alone. What only has to
 * be there, or to be looked at, is written and read within this process (`cluster-api.ts`).
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createObject, deleteObject, findObject, kubeconfigPath } from './cluster-api.ts'
import { until } from './until.ts'

/** What `kubectl` said, and how it ended. */
export interface KubectlResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface KubectlOptions {
  /** Read by `-f -`; objects become a List in JSON. */
  readonly input?: string | readonly object[]
  /** Speaks as this user (impersonation by the administrator). */
  readonly as?: string
  readonly asGroups?: readonly string[]
  /** Instead of the administrator's. */
  readonly kubeconfig?: string
}

/** Whatever came of it. */
export function tryKubectl(args: readonly string[], options: KubectlOptions = {}): Promise<KubectlResult> {
  const { input, as, asGroups = [], kubeconfig = kubeconfigPath() } = options
  const identity = as === undefined ? [] : ['--as', as, ...asGroups.flatMap((group) => ['--as-group', group])]
  const child = spawn('kubectl', ['--kubeconfig', kubeconfig, ...identity, ...args])
  const text =
    typeof input === 'string' ? input : JSON.stringify({ apiVersion: 'v1', kind: 'List', items: input ?? [] })
  // A kubectl that does not read what it was given says so by its exit code.
  child.stdin.on('error', () => undefined)
  child.stdin.end(input === undefined ? '' : text)
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code: code ?? -1, stdout, stderr }))
  })
}

/** Its standard output; throws what it says when it fails. */
export async function kubectl(args: readonly string[], options: KubectlOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await tryKubectl(args, options)
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')} ended with ${code}: ${stderr || stdout}`)
  return stdout
}

export interface TestNamespace extends AsyncDisposable {
  readonly name: string
}

/** A namespace of one test alone; with everything in it deleted afterwards, which is not waited for. */
export async function openNamespace(prefix = 'gh'): Promise<TestNamespace> {
  const name = `${prefix}-${randomBytes(4).toString('hex')}`
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }
  await createObject(namespace)
  // Without which it takes no pod; a busy cluster makes it seconds later.
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace: name, name: 'default' } }
  await until(() => findObject(account))
  return { name, [Symbol.asyncDispose]: () => deleteObject(namespace) }
}
