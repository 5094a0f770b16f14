/**
 * The real Kubernetes that `GATEHOUSE_TEST_KUBECONFIG` names, as its administrator sees it: objects by `kubectl`, and namespaces of one test
 * alone. Custom resources and policies are the project's own (`config/`), applied once a run.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'

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

export function kubeconfigPath(): string {
  const path = process.env.GATEHOUSE_TEST_KUBECONFIG
  if (!path) throw new Error('GATEHOUSE_TEST_KUBECONFIG names no kubeconfig')
  return path
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

export async function apply(...objects: readonly object[]): Promise<void> {
  await kubectl(['apply', '-f', '-'], { input: objects })
}

export interface TestNamespace extends AsyncDisposable {
  readonly name: string
}

/** A namespace of one test alone; with everything in it deleted afterwards, which is not waited for. */
export async function openNamespace(prefix = 'gh'): Promise<TestNamespace> {
  const name = `${prefix}-${randomBytes(4).toString('hex')}`
  await kubectl(['create', 'namespace', name])
  // Without which it takes no pod; a busy cluster makes it seconds later.
  await kubectl(['-n', name, 'wait', '--for=create', 'serviceaccount/default', '--timeout=60s'])
  return {
    name,
    async [Symbol.asyncDispose]() {
      await kubectl(['delete', 'namespace', name, '--wait=false', '--ignore-not-found'])
    },
  }
}
