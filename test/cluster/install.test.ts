/** From nothing to a gateway and back to nothing, by the commands of the README, each of which is run as it stands there but for names. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { leastValues } from '#test/support/chart.ts'
import { kubectl, openNamespace, type TestNamespace, tryKubectl } from '#test/support/cluster.ts'
import { apply } from '#test/support/cluster-api.ts'
import { installCrds, installPolicies } from '#test/support/cluster-install.ts'
import { gatewayImage } from '#test/support/cluster-site/gateway-image.ts'
import { type Names, readmeCommands, runCommands } from '#test/support/readme.ts'
import { describeWith } from '#test/support/real-parts.ts'

const done = { code: 0 }

describeWith('helm', 'an installation', () => {
  const stack = new AsyncDisposableStack()
  let team: TestNamespace
  let home: string
  let folder: string
  beforeAll(async () => {
    await installCrds()
    team = stack.use(await openNamespace('gh-team'))
    home = `gh-home-${randomBytes(4).toString('hex')}`
    stack.defer(async () => void (await kubectl(['delete', 'namespace', home, '--wait=false', '--ignore-not-found'])))
    // What helm made in the whole cluster and in the namespace of the workspaces.
    stack.defer(
      async () => void (await runCommands([`helm uninstall gatehouse --namespace ${home} --ignore-not-found`], [])),
    )
    folder = await mkdtemp(join(tmpdir(), 'gatehouse-install-'))
    stack.defer(() => rm(folder, { recursive: true }))
    const account = `system:serviceaccount:${home}:gatehouse`
    stack.use(await installPolicies({ account, namespaces: [team.name, home] }))
    const [, repository, tag] = /^(.*):([^:/]+)$/.exec(gatewayImage) ?? []
    const values = { ...leastValues, image: { repository, tag }, replicas: 1, policies: { create: false } }
    await writeFile(join(folder, 'values.yaml'), JSON.stringify(values))
  })
  afterAll(() => stack.disposeAsync())

  const names = (): Names => [
    ['namespace gatehouse ', `namespace ${home} `],
    ['namespace gatehouse\n', `namespace ${home}\n`],
    ['--namespace gatehouse', `--namespace ${home}`],
    ['create namespace gatehouse', `create namespace ${home}`],
    ['delete namespace gatehouse', `delete namespace ${home}`],
    ['--namespace team', `--namespace ${team.name}`],
    ['values.yaml', join(folder, 'values.yaml')],
    // The others in this cluster need theirs.
    ['delete -k config/crd', 'delete --dry-run=server -k config/crd'],
    ['--server-side', '--server-side --force-conflicts --field-manager=gatehouse-tests'],
  ]
  const install = () => runCommands(readmeCommands('Install'), names(), { CLIENT_SECRET: 'kZ4vQm81xWc9sLbT0yRfHn37' })

  /** Whatever of ours is in the namespace of the workspaces and in Gatehouse's own, sessions and all. */
  const used = async () => {
    const group = 'workspace.jupyter.org/v1alpha1'
    const at = (namespace: string, apiVersion: string, kind: string, name: string, spec: object) => ({
      apiVersion,
      kind,
      metadata: { namespace, name },
      spec,
    })
    await apply(
      at(team.name, group, 'WorkspaceTemplate', 'nb', { displayName: 'nb', defaultImage: 'nb' }),
      at(team.name, group, 'Workspace', 'nb', { displayName: 'nb', desiredStatus: 'Stopped' }),
      at(team.name, group, 'WorkspaceShare', 'nb', {
        workspaces: [{ name: 'nb' }],
        grantees: [{ kind: 'User', name: 'bob' }],
      }),
      at(home, 'gatehouse.dev/v1alpha1', 'WorkspaceSession', 'a'.repeat(52), session),
    )
    const accepted = [
      'wait',
      '--for=condition=Accepted',
      'workspaceshare/nb',
      '--timeout=20s',
      '--namespace',
      team.name,
    ]
    await kubectl(accepted)
    const lease = ['wait', '--for=create', 'lease/gatehouse-housekeeping', '--timeout=20s', '--namespace', home]
    await kubectl(lease)
  }

  const customResources = async (namespace: string) => {
    const kinds = (await kubectl(['api-resources', '--verbs=list', '--namespaced', '-o', 'name']))
      .trim()
      .split('\n')
      .filter((name) => /\.(workspace\.jupyter\.org|gatehouse\.dev)$/.test(name))
    return { kinds, names: await kubectl(['get', kinds.join(','), '-o', 'name', '--namespace', namespace]) }
  }

  test('is made and undone by the commands of the README: [SO8.2] in this order, [SO8.3] and nothing is left', {
    timeout: 120_000,
  }, async () => {
    expect(await install()).toMatchObject(done)
    await used()
    expect((await customResources(home)).names).not.toBe('')
    const undone = await runCommands(uninstalling(), names())
    expect(undone).toMatchObject(done)
    for (const kind of ['workspaceshares.workspace.jupyter.org', 'workspacesessions.gatehouse.dev'])
      expect(undone.stdout).toContain(`"${kind}" deleted (server dry run)`)
    expect(undone.stdout).not.toContain('"workspaces.workspace.jupyter.org"')
    expect((await tryKubectl(['get', 'namespace', home])).stderr).toContain('NotFound')
    expect(await leftovers(home)).toEqual([])
    // Of people, not of Gatehouse.
    const { names: rest } = await customResources(team.name)
    expect(rest.trim().split('\n').sort()).toEqual([
      'workspace.workspace.jupyter.org/nb',
      'workspacetemplate.workspace.jupyter.org/nb',
    ])
  })

  test('[SO8.1] whose gateway was killed first lets all of its objects go, since nothing of it sets a finalizer', {
    timeout: 120_000,
  }, async () => {
    expect(await install()).toMatchObject(done)
    await used()
    const kill = ['delete', 'deployment,pods', '--all', '--grace-period=0', '--force', '--namespace', home]
    await kubectl(kill)
    for (const namespace of [team.name, home]) {
      const { kinds, names: found } = await customResources(namespace)
      const held = ['get', kinds.join(','), '--namespace', namespace, '-o', 'jsonpath={.items[*].metadata.finalizers}']
      expect(await kubectl(held)).toBe('')
      expect(found).not.toBe('')
      await kubectl(['delete', kinds.join(','), '--all', '--timeout=15s', '--namespace', namespace])
      expect((await customResources(namespace)).names).toBe('')
    }
    expect(await runCommands(uninstalling(), names())).toMatchObject(done)
    expect(await leftovers(home)).toEqual([])
  })

  test("[SO8.4] what another program's finalizer holds up, and the custom resource with it, is let go by the patch of the README", {
    timeout: 60_000,
  }, async () => {
    const suffix = randomBytes(4).toString('hex')
    const group = `gh-${suffix}.example`
    const crd = `heldshares.${group}`
    // Of our own kind others have objects in this cluster, which would go with it; and names must not mean two things to them.
    const text = await kubectl(['kustomize', 'config/crd/gatehouse-only'])
    const [ours = ''] = text.split(/^---$/m).filter((document) => document.includes('kind: WorkspaceShare\n'))
    await using kept = new AsyncDisposableStack()
    await kubectl(['create', '-f', '-'], {
      input: ours
        .replaceAll('workspace.jupyter.org', group)
        .replaceAll('WorkspaceShare', 'HeldShare')
        .replaceAll('workspaceshare', 'heldshare'),
    })
    kept.defer(async () => void (await kubectl(['delete', 'crd', crd, '--ignore-not-found', '--wait=false'])))
    await kubectl(['wait', '--for=condition=Established', `crd/${crd}`, '--timeout=20s'])
    const metadata = { namespace: team.name, name: 'notebook-for-bob', finalizers: ['example.com/gone'] }
    const spec = { workspaces: [{ name: 'notebook' }], grantees: [{ kind: 'User', name: 'bob' }] }
    await apply({ apiVersion: `${group}/v1alpha1`, kind: 'HeldShare', metadata, spec })
    await kubectl(['delete', 'crd', crd, '--wait=false'])
    const gone = ['wait', '--for=delete', `crd/${crd}`]
    expect(await tryKubectl([...gone, '--timeout=2s'])).not.toMatchObject(done)
    const [recipe = ''] = readmeCommands('Uninstall').filter((command) => command.includes('finalizers'))
    expect(await runCommands([recipe], [...names(), ['workspaceshare ', `${crd} `]])).toMatchObject(done)
    expect(await tryKubectl([...gone, '--timeout=20s'])).toMatchObject(done)
  })
})

/** Without what is for an object that is held up. */
function uninstalling(): readonly string[] {
  return readmeCommands('Uninstall').filter((command) => !command.includes('finalizers'))
}

/** Of whatever kind, in the whole cluster. */
async function leftovers(release: string): Promise<readonly string[]> {
  const kinds = (await kubectl(['api-resources', '--verbs=list,delete', '-o', 'name'])).trim().split('\n')
  const asked = ['get', kinds.join(','), '--all-namespaces', '--ignore-not-found', '-o', 'json']
  const { stdout } = await tryKubectl([...asked, '--selector', 'app.kubernetes.io/name=gatehouse'])
  const found: { readonly items: readonly { readonly kind: string; readonly metadata: Metadata }[] } =
    stdout === '' ? { items: [] } : JSON.parse(stdout)
  const mentions = (metadata: Metadata) => metadata.namespace === release || metadata.name.includes(release)
  return found.items
    .filter(({ metadata }) => mentions(metadata))
    .map(({ kind, metadata }) => `${kind} ${metadata.name}`)
}

interface Metadata {
  readonly name: string
  readonly namespace?: string
}

const session = {
  ...{ kind: 'browser', issuer: 'https://idp.example', subject: 's-1', username: 'alice', uid: 'u-1', groups: [] },
  ...{
    userAgent: 'Firefox',
    createdAt: '2099-01-01T00:00:00Z',
    expiresAt: '2099-01-01T01:00:00Z',
    notAfter: '2099-01-01T12:00:00Z',
  },
}
