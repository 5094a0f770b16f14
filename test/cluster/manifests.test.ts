/** Whatever people have in their folders, and what we give them in `config/samples`, is taken by the API server with `kubectl apply`, and read by the gateway. */
import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { type KubectlResult, kubectl, openNamespace, type TestNamespace, tryKubectl } from '#test/support/cluster.ts'
import { installCrds } from '#test/support/cluster-install.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { upstreamManifests, upstreamRefusals } from '#test/support/upstream-manifests.ts'
import { workspaceKind } from '#workspace/workspace.ts'

interface Listed {
  readonly items: readonly {
    readonly kind: string
    readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> }
    readonly spec: Readonly<Record<string, unknown>>
  }[]
}

/** Of these objects, and not of an API that the server leads to and that another test has just taken away. */
function saidOf({ code, stderr }: KubectlResult) {
  const lines = stderr.split('\n').filter((line) => line !== '')
  return { code, said: lines.filter((line) => !line.includes("couldn't get resource list for")) }
}

/** Of a kubectl that asks a busy server for every schema it has. */
const timeout = 60_000

describeWith('cluster', 'manifests', suite, { timeout })

function suite(): void {
  let namespace: TestNamespace
  beforeAll(async () => {
    await installCrds()
    namespace = await openNamespace('gh-samples')
  })
  afterAll(() => namespace?.[Symbol.asyncDispose]())

  const inNamespace = (...args: readonly string[]) => [...args, '--namespace', namespace.name]
  const listed = async (resource: string): Promise<Listed> => {
    return JSON.parse(await kubectl(inNamespace('get', resource, '-o', 'json')))
  }

  test('[JK26.3] all of config/samples apply with -k, among them a template and a workspace that uses it', async () => {
    const applied = await kubectl(inNamespace('apply', '-k', 'config/samples'))
    const samples = readdirSync('config/samples').filter((name) => name.startsWith('workspace_v1alpha1_'))
    expect(samples).toContain('workspace_v1alpha1_workspacetemplate_production.yaml')
    expect(samples).toContain('workspace_v1alpha1_workspace_with_template.yaml')
    expect(applied.trim().split('\n').sort()).toEqual(
      samples
        .map((file): Listed['items'][number] => parse(readFileSync(`config/samples/${file}`, 'utf8')))
        .map(({ kind, metadata }) => `${kind.toLowerCase()}.workspace.jupyter.org/${metadata.name} created`)
        .sort(),
    )
  })

  test('the NetworkPolicies of the samples and of docs/agent.md apply', async () => {
    const shown = /```yaml\n(apiVersion: networking[\s\S]*?)```/.exec(readFileSync('docs/agent.md', 'utf8'))?.[1] ?? ''
    const forPeers = shown.replace('namespace: gatehouse}', `namespace: ${namespace.name}}`)
    const samples = ['ssh', 'agent'].map((name) => readFileSync(`config/samples/${name}/networkpolicy.yaml`, 'utf8'))
    const applied = await tryKubectl(inNamespace('apply', '-f', '-'), { input: [...samples, forPeers].join('\n---\n') })
    expect(saidOf(applied)).toEqual({ code: 0, said: [] })
    const { items } = await listed('networkpolicies')
    const forReplicas = items.find(({ metadata }) => metadata.name === 'gatehouse-peers')
    expect(forReplicas).toMatchObject({ spec: parse(forPeers).spec })
  })

  test('manifests of jupyter-k8s and of the Spaces add-on apply, and nothing of what they say is lost', async () => {
    const applied = await tryKubectl(inNamespace('apply', '-f', '-'), { input: upstreamManifests })
    expect(saidOf(applied)).toEqual({ code: 0, said: [] })
    for (const manifest of upstreamManifests) {
      const { kind, metadata } = manifest as Listed['items'][number]
      const found = (await listed(kind.toLowerCase())).items.find((item) => item.metadata.name === metadata.name)
      expect(found, metadata.name).toMatchObject(manifest)
    }
  })

  test('the manifests of the laptop mode apply', async () => {
    const files = readdirSync('config/samples/demo').map((name) => readFileSync(`config/samples/demo/${name}`, 'utf8'))
    const here = files.map((text) => text.replace(/^ {2}namespace: \w+$/m, `  namespace: ${namespace.name}`))
    const applied = await tryKubectl(['apply', '-f', '-'], { input: here.join('\n---\n') })
    expect(saidOf(applied)).toEqual({ code: 0, said: [] })
  })

  test('the gateway reads each Workspace of them, with ports from fields and annotations alike', async () => {
    const { items } = await listed('workspaces')
    expect(items.length).toBeGreaterThan(8)
    const read = new Map(
      items.map(({ metadata, spec }) => [metadata.name, workspaceKind.parseSpec(spec, metadata.annotations)]),
    )
    expect(read.get('edit-and-run')?.ports).toHaveLength(2)
    expect(read.get('edit-and-run-annotated')).toEqual(read.get('edit-and-run'))
    expect(read.get('every-field')?.accessType).toBe('OwnerOnly')
  })

  test('who may connect and who may change is nowhere decided by the schema', async () => {
    const { items } = await listed('workspaces')
    const inherits = items.find(({ metadata }) => metadata.name === 'inherits')
    expect(inherits?.spec).not.toHaveProperty('accessType')
    expect(inherits?.spec).not.toHaveProperty('ownershipType')
  })

  test.each(upstreamRefusals)('%s is refused', async (_what, spec) => {
    const workspace = { ...upstreamManifests[5], metadata: { name: 'refused' }, spec: { displayName: 'x', ...spec } }
    const { code, stderr } = await tryKubectl(inNamespace('apply', '-f', '-'), { input: [workspace] })
    expect(code).not.toBe(0)
    expect(stderr).toMatch(/Invalid|invalid/)
  })

  test("the storage class of a workspace can't be changed", async () => {
    const to = JSON.stringify({ spec: { storage: { storageClassName: 'other' } } })
    const patched = await tryKubectl(inNamespace('patch', 'workspace', 'every-field', '--type=merge', '-p', to))
    expect(patched.stderr).toContain('storageClassName')
  })

  test('beside jupyter-k8s only our own kinds are added', async () => {
    const names = async (folder: string) =>
      [...(await kubectl(['kustomize', folder])).matchAll(/^ {2}name: (\S+\.\S+)$/gm)].map(([, name]) => name)
    const upstream = ['workspaces', 'workspacetemplates', 'workspaceaccessstrategies']
    const all = await names('config/crd')
    const ours = all.filter((name) => !upstream.some((plural) => name === `${plural}.workspace.jupyter.org`))
    expect(await names('config/crd/gatehouse-only')).toEqual(ours)
    expect([all.length, ours.length]).toEqual([9, 6])
  })

  test('kubectl shows who is logged in, and no token', async () => {
    const times = {
      createdAt: '2026-01-01T00:00:00Z',
      expiresAt: '2026-01-01T01:00:00Z',
      notAfter: '2026-01-01T12:00:00Z',
    }
    const session = {
      ...{ apiVersion: 'gatehouse.dev/v1alpha1', kind: 'WorkspaceSession', metadata: { name: 'a'.repeat(52) } },
      spec: {
        ...{ kind: 'browser', issuer: 'https://idp.example', subject: 's-1', username: 'github:alice', uid: 'u-1' },
        ...{ groups: [], userAgent: 'Firefox', refreshToken: 'sealed-refresh', idToken: 'sealed-id', ...times },
      },
    }
    await kubectl(inNamespace('apply', '-f', '-'), { input: [session] })
    const shown = await kubectl(inNamespace('get', 'workspacesessions', '-o', 'wide'))
    expect(shown.split('\n')[0]?.split(/ {2,}/)).toEqual(
      expect.arrayContaining(['NAME', 'USER', 'KIND', 'ISSUER', 'AGE', 'EXPIRES', 'DEVICE', 'BROWSER']),
    )
    for (const part of ['github:alice', 'browser', 'https://idp.example', times.expiresAt])
      expect(shown).toContain(part)
    expect(shown).not.toContain('sealed')
    const hers = inNamespace('get', 'workspacesessions', '--field-selector=spec.username=github:alice', '-o', 'name')
    expect(await kubectl(hers)).toContain('workspacesession')
    const others = inNamespace('get', 'workspacesessions', '--field-selector=spec.username=bob', '-o', 'name')
    expect(await kubectl(others)).toBe('')
  })
}
