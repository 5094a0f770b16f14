/** What those who run Gatehouse do with it by kubectl and helm: the installed chart, for one namespace alone. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { kubectl, openNamespace, type TestNamespace } from '#test/support/cluster.ts'
import { apply, readObject } from '#test/support/cluster-api.ts'
import { helm } from '#test/support/cluster-site/helm.ts'
import { type ClusterSite, openSite, openWhenRunning } from '#test/support/cluster-site/site.ts'
import { type EchoAnswer, echoContainer, testImage } from '#test/support/echo-container.ts'
import { type PlainAnswer, plainRequest } from '#test/support/plain-request.ts'
import { type Names, readmeCommands, runCommands } from '#test/support/readme.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { until } from '#test/support/until.ts'
import { makeSite, urlOf } from '#workspace/address.ts'

const group = 'workspace.jupyter.org/v1alpha1'
const connects = {
  apiGroups: ['connection.workspace.jupyter.org'],
  resources: ['workspaceconnections'],
  verbs: ['create'],
}
const done = { code: 0 }

interface Condition {
  readonly type: string
  readonly status: string
  readonly reason: string
  readonly message: string
}

interface Shown {
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> }
  readonly spec: Readonly<Record<string, unknown>>
  readonly status?: { readonly conditions?: readonly Condition[] }
}

describeWith('helm', 'an installed chart', () => {
  const stack = new AsyncDisposableStack()
  let site: ClusterSite
  let ci: TestNamespace
  let other: TestNamespace
  let machine: { readonly issuer: string; readonly subjects: readonly string[] }
  beforeAll(async () => {
    ci = stack.use(await openNamespace('gh-ci'))
    other = stack.use(await openNamespace('gh-other'))
    for (const name of ['bot', 'bou']) await kubectl(['create', 'serviceaccount', name, '--namespace', ci.name])
    const { issuer }: { issuer: string } = JSON.parse(
      await kubectl(['get', '--raw', '/.well-known/openid-configuration']),
    )
    machine = { issuer, subjects: [`system:serviceaccount:${ci.name}:bot`] }
    site = stack.use(await openSite({ replicas: 2, namespaced: true, values: { machines: [machine] } }))
    await apply(role(site.team))
  }, 120_000)
  afterAll(() => stack.disposeAsync())

  /** The role for visitors is one for all of a cluster, and may not be there. */
  const role = (namespace: string) => ({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: { namespace, name: 'gatehouse-visitor' },
    rules: [connects],
  })
  const names = (): Names => [
    ['namespace gatehouse', `namespace ${site.namespace}`],
    ['workspacemanager gatehouse', `workspacemanager ${site.namespace}`],
    ['namespace team', `namespace ${site.team}`],
    ['namespace ci', `namespace ${ci.name}`],
    ['serviceaccount=ci:', `serviceaccount=${ci.name}:`],
    ['audience gatehouse.gatehouse.svc', `audience ${site.namespace}.${site.namespace}.svc`],
    ['--clusterrole=gatehouse-visitor', '--role=gatehouse-visitor'],
    ['curl ', `curl --silent --show-error --cacert ${site.ca.caFile} --resolve '*:${site.port}:${site.address}' `],
    ['https://notebook-orswc3i.ws.example.com/', site.url('notebook')],
    ['https://ws.example.com', site.origin],
  ]
  const run = (heading: string, isMeant: (command: string) => boolean, env = {}) =>
    runCommands(readmeCommands(heading).filter(isMeant), names(), env)
  const shown = async (what: string, name: string, namespace = site.team): Promise<Shown> =>
    JSON.parse(await kubectl(['get', what, name, '--namespace', namespace, '-o', 'json']))
  const api = (path: string) => `${site.origin}/.gatehouse/api/v1/${path}`
  const workspaceObject = (namespace: string, name: string, spec: object = {}) => ({
    ...{ apiVersion: group, kind: 'Workspace', metadata: { namespace, name } },
    spec: {
      ...{ displayName: name, image: testImage, desiredStatus: 'Stopped', accessType: 'Public' },
      ...{ managerRef: { name: site.namespace }, ...spec },
    },
  })
  const ask = (url: string, token: string, address = site.address): Promise<PlainAnswer> =>
    plainRequest(url, {
      ...{ address, ca: site.caText, headers: { authorization: `Bearer ${token}` } },
    })

  test('[AC4.1] for one namespace is Roles alone, and serves the workspaces of that one and of no other', async () => {
    const manifest = await helm(['get', 'manifest', site.namespace, '--namespace', site.namespace])
    const kinds: readonly string[] = parseAllDocuments(manifest).map((document) => document.toJS().kind)
    expect(kinds.filter((kind) => kind.endsWith('Role')).length).toBe(2)
    expect(kinds.filter((kind) => kind.startsWith('Cluster'))).toEqual([])
    await apply(role(other.name), workspaceObject(site.team, 'here'), workspaceObject(other.name, 'elsewhere'))
    const bind = ['create', 'rolebinding', 'alice', '--role=gatehouse-visitor', '--user=alice', '--namespace']
    await kubectl([...bind, other.name])
    const alice = await site.as('alice')
    const listed = async (): Promise<readonly string[]> => {
      const { workspaces }: { workspaces: readonly { namespace: string; name: string }[] } = JSON.parse(
        (await alice.fetch(api('workspaces'))).body,
      )
      return workspaces.map(({ namespace, name }) => `${namespace}/${name}`)
    }
    await expect.poll(listed).toContain(`${site.team}/here`)
    expect(await listed()).not.toContain(`${other.name}/elsewhere`)
    const status = async (namespace: string, name: string) =>
      (await alice.fetch(api(`workspaces/${namespace}/${name}`))).status
    expect(await status(site.team, 'here')).toBe(200)
    expect(await status(other.name, 'elsewhere')).toBe(404)
    // Moving there does not help: it is the namespace that counts.
    expect((await alice.open(urlIn(site, other.name, 'elsewhere'))).status).toBe(403)
  })

  test('[SO1.1] shows somebody the notebook of somebody else after a Template, a Workspace and a Share were applied', {
    timeout: 60_000,
  }, async () => {
    const text = await kubectl(['kustomize', 'config/samples/quickstart'])
    const objects = parseAllDocuments(text).map((document) => onThisMachine(document.toJS(), site.namespace))
    expect(objects.map(({ kind }) => kind).sort()).toEqual(['Workspace', 'WorkspaceShare', 'WorkspaceTemplate'])
    await kubectl(['apply', '--namespace', site.team, '-f', '-'], { input: objects })
    for (const name of ['alice', 'bob']) {
      const page = await openWhenRunning(await site.as(name), site.url('notebook'))
      expect(JSON.parse(page.body).headers['X-Forwarded-User']).toBe(name)
    }
    const dave = await site.as('dave')
    expect((await dave.open(site.url('notebook'))).status).toBe(403)
    expect(await run('First share', (command) => command.includes(' get '))).toMatchObject(done)
  })

  test('[SO2.1] speaks for a person, by an account of its own, to a pod of another one: three subjects, and the pod is given no token but the one that is signed for it', {
    timeout: 60_000,
  }, async () => {
    const page = await openWhenRunning(await site.as('alice'), site.url('notebook'))
    const { headers }: EchoAnswer = JSON.parse(page.body)
    const file = '/var/run/secrets/kubernetes.io/serviceaccount/token'
    const read = `process.stdout.write(require('node:fs').readFileSync('${file}'))`
    const ofPod = await site.kubectl(['exec', 'deployment/workspace-notebook', '--', 'cat', file])
    const ofGateway = await site.ours(['exec', `deployment/${site.namespace}`, '--', 'node', '--eval', read])
    const ofPerson = headers['X-Gatehouse-Assertion'] ?? ''
    expect([ofPerson, ofGateway, ofPod].map(subjectOf)).toEqual([
      'alice',
      `system:serviceaccount:${site.namespace}:${site.namespace}`,
      `system:serviceaccount:${site.team}:default`,
    ])
    const tokens = Object.entries(headers).filter(([, value]) => /eyJ[\w-]+\./.test(value))
    expect(tokens.map(([name]) => name)).toEqual(['X-Gatehouse-Assertion'])
  })

  test('[SO3.1] [SO3.3] [SO3.4] lets a ServiceAccount in by the commands of the README, with the keys of the cluster alone', {
    timeout: 60_000,
  }, async () => {
    const grantees = [{ kind: 'ServiceAccount', name: 'bot', namespace: ci.name }]
    await site.kubectl(['apply', '-f', '-'], { input: [share(site.team, 'for-bot', 'notebook', grantees)] })
    const accepted = ['wait', '--for=condition=Accepted', 'workspaceshare/for-bot', '--timeout=20s']
    await site.kubectl(accepted)
    const may = ['auth', 'can-i', 'create', 'tokenreviews.authentication.k8s.io']
    const account = `system:serviceaccount:${site.namespace}:${site.namespace}`
    await expect(kubectl([...may, '--as', account])).rejects.toThrow(/no/)
    const [binding, ...rest] = readmeCommands('Machines')
    expect(await runCommands([binding ?? ''], names())).toMatchObject(done)
    const answer = await until(async () => {
      const tried = await runCommands(rest, names())
      return tried.code === 0 ? tried : undefined
    })
    expect(answer.stdout).toContain(`"namespace":"${site.team}","name":"notebook"`)
    expect(answer.stdout).toContain(`"X-Forwarded-User": "${machine.subjects[0]}"`)
    expect(answer.stdout).not.toContain('Bearer')
  })

  test('[SO3.2] refuses with 401 what differs by a character in issuer, audience or subject', {
    timeout: 120_000,
  }, async () => {
    const audience = `${site.namespace}.${site.namespace}.svc`
    const token = (name: string, to: string) =>
      kubectl(['create', 'token', name, '--namespace', ci.name, '--audience', to]).then((text) => text.trim())
    const urls = [site.url('notebook'), api('workspaces')]
    const statuses = async (bearer: string, address?: string) => {
      const answers = await Promise.all(urls.map((url) => ask(url, bearer, address)))
      return answers.map(({ status, headers }) => [status, headers.location])
    }
    const good = await token('bot', audience)
    expect(await statuses(good)).toEqual([
      [200, undefined],
      [200, undefined],
    ])
    const refused = [
      [401, undefined],
      [401, undefined],
    ]
    expect(await statuses(await token('bot', `${audience.slice(0, -1)}d`))).toEqual(refused)
    expect(await statuses(await token('bou', audience))).toEqual(refused)
    const [head = '', body = '', signature = ''] = good.split('.')
    const changed = `${signature.slice(0, 9)}${signature[9] === 'A' ? 'B' : 'A'}${signature.slice(10)}`
    expect(await statuses(`${head}.${body}.${changed}`)).toEqual(refused)
    // No cluster makes tokens of another issuer, so it is the gateway that expects another one.
    await site.upgrade({ machines: [{ ...machine, issuer: `${machine.issuer}x` }] })
    // Each by its own address: the Service may still lead to a replica that is about to end.
    for (const { address } of await site.findReplicas()) expect(await statuses(good, address)).toEqual(refused)
  })

  test('is brought up to date without losing a request', { timeout: 150_000 }, async () => {
    const alice = await site.as('alice')
    const url = site.url('notebook')
    await openWhenRunning(alice, url)
    const before = await site.findReplicas()
    const cookie = alice.cookieHeader(url) ?? ''
    const answers = new Map<string, number>()
    const stopping = new AbortController()
    const work = async () => {
      while (!stopping.signal.aborted) {
        const asked = plainRequest(url, { address: site.address, ca: site.caText, headers: { cookie } })
        const outcome = await asked.then(
          ({ status }) => String(status),
          (error: unknown) => String(error),
        )
        answers.set(outcome, (answers.get(outcome) ?? 0) + 1)
      }
    }
    const working = [work(), work(), work(), work()]
    await site.upgrade({ machines: [machine] })
    const after = await site.findReplicas()
    const gone = before.map(({ pod }) => `pod/${pod}`)
    await site.ours(['wait', '--for=delete', ...gone, '--timeout=60s'])
    stopping.abort()
    await Promise.all(working)
    expect(after.filter(({ pod }) => before.some((old) => old.pod === pod))).toEqual([])
    expect([...answers.keys()]).toEqual(['200'])
    expect(answers.get('200')).toBeGreaterThan(100)
  })

  test('[AC2.1] says by its API what kubectl shows of shares and of logins', async () => {
    const alice = await site.as('alice')
    const grantees = [{ kind: 'User', name: 'carol' }]
    const input = { grantees, access: 'modify', expiresAt: '2099-01-01T00:00:00Z' }
    const created = await alice.fetch(api(`workspaces/${site.team}/notebook/shares`), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(input),
    })
    expect(created.status).toBe(201)
    const { shares }: { shares: readonly ShareSaid[] } = JSON.parse(
      (await alice.fetch(api(`workspaces/${site.team}/notebook/shares`))).body,
    )
    expect(shares.length).toBeGreaterThan(2)
    for (const { status, name, createdBy, createdAt: _, workspaces, ...said } of shares) {
      const { spec, status: kept, metadata } = await shown('workspaceshare', name)
      const condition = kept?.conditions?.find(({ type }) => type === 'Accepted')
      const { status: isAccepted, reason, message } = condition ?? {}
      expect(status).toEqual({ accepted: isAccepted === 'True', reason, message: message ?? '' })
      expect({ ...said, workspaces: workspaces.map((named) => ({ name: named })) }).toEqual(spec)
      expect(metadata.annotations?.['gatehouse.dev/shared-by'] ?? '').toBe(createdBy)
    }
    const { sessions }: { sessions: readonly (Readonly<Record<string, unknown>> & { readonly name: string })[] } =
      JSON.parse((await alice.fetch(api('sessions'))).body)
    expect(sessions.length).toBeGreaterThan(0)
    for (const { name, current: _, ...said } of sessions) {
      const { spec } = await shown('workspacesession', name, site.namespace)
      expect(spec).toMatchObject(said)
    }
  })

  test('[AC3.1] says three faults by three reasons, [AC3.2] and takes back by itself what is mended elsewhere', {
    timeout: 60_000,
  }, async () => {
    const accepted = async (kind: string, name: string, namespace = site.team) => {
      const { status } = await readObject<Shown>({ apiVersion: group, kind, metadata: { namespace, name } })
      const found = status?.conditions?.find(({ type }) => type === 'Accepted')
      return [found?.status, found?.reason]
    }
    const manager = () => accepted('WorkspaceManager', site.namespace, site.namespace)
    const patch = (oidc: unknown) => site.manage({ oidc })
    const { oidc } = (await site.manager<Shown>()).spec
    const issuers: readonly object[] = Array.isArray(oidc) ? oidc : []
    // Nobody could tell the people of two issuers apart.
    await patch([...issuers, { id: 'second', issuer: 'https://second.example', clientId: 'gatehouse' }])
    await expect.poll(manager).toEqual(['False', 'Invalid'])
    await patch(issuers)
    await expect.poll(manager).toEqual(['True', 'InForce'])

    const clientSecretRef = { name: 'gatehouse-oidc', key: 'later' }
    await patch(issuers.map((issuer) => ({ ...issuer, clientSecretRef })))
    await expect.poll(manager).toEqual(['False', 'SecretUnusable'])
    const data = JSON.stringify({ stringData: { later: 'hN37vbQ2m1Xc9sLbT0yRfK4z' } })
    await site.ours(['patch', 'secret', 'gatehouse-oidc', '--type=merge', '-p', data])
    await expect.poll(manager, { timeout: 15_000 }).toEqual(['True', 'InForce'])
    await patch(issuers)

    await apply(share(site.team, 'early', 'late', [{ kind: 'User', name: 'bob' }]))
    await expect.poll(() => accepted('WorkspaceShare', 'early')).toEqual(['False', 'WorkspaceNotFound'])
    await apply(workspaceObject(site.team, 'late'))
    await expect.poll(() => accepted('WorkspaceShare', 'early')).toEqual(['True', 'RbacGranted'])
  })

  test('[SO9.2] is looked into by the commands of the README: from what it says of itself to the line of a request that was refused', {
    timeout: 60_000,
  }, async () => {
    const dave = await site.as('dave')
    const page = await dave.open(site.url('notebook'))
    expect(page.status).toBe(403)
    const [, id = ''] = /Request <code>([^<]+)<\/code>/.exec(page.body) ?? []
    expect(id).not.toBe('')
    const [first] = site.replicas
    // Another start of the same container, whose log is the previous one.
    const end = "process.kill(1, 'SIGTERM')"
    const commands = readmeCommands('Something is wrong')
    const logged = await until(async () => {
      const found = await runCommands(commands.slice(0, -1), names(), { REQUEST: id })
      return found.code === 0 ? found.stdout : undefined
    })
    expect(logged).toMatch(/ACCEPTED +REASON/)
    expect(logged).toContain('RbacGranted')
    const lines = logged.split('\n').filter((line) => line.includes(id))
    expect(lines.join('\n')).toContain('"user":"dave"')
    await site.ours(['exec', first?.pod ?? '', '--', 'node', '--eval', end])
    const previous = await until(async () => {
      const found = await runCommands(commands.slice(-1), names(), { POD: first?.pod ?? '' })
      return found.code === 0 ? found.stdout : undefined
    })
    expect(previous).toContain('stopping: requests in flight may finish')
    await site.findReplicas()
  })
})

/** Of a JWT. */
function subjectOf(token: string): unknown {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).sub
}

function urlIn(site: ClusterSite, namespace: string, name: string): string {
  const { hostname: domain } = new URL(site.origin)
  return urlOf(makeSite({ domain, scheme: 'https', port: site.port, mode: 'host' }), { namespace, name }, undefined)
}

interface ShareSaid {
  readonly name: string
  readonly createdBy: string
  readonly createdAt: string
  readonly workspaces: readonly string[]
  readonly status: { readonly accepted: boolean; readonly reason: string; readonly message: string }
}

interface SampleObject {
  readonly kind: string
  readonly spec: object
}

/** An image that is here and starts at once instead of the sample's, and this installation among others. */
function onThisMachine(object: SampleObject, manager: string): SampleObject {
  const { kind, spec } = object
  if (kind === 'WorkspaceTemplate')
    return { ...object, spec: { ...spec, defaultImage: testImage, defaultContainerConfig: echoContainer() } }
  return kind === 'Workspace' ? { ...object, spec: { ...spec, managerRef: { name: manager } } } : object
}

function share(namespace: string, name: string, workspace: string, grantees: readonly object[]): object {
  const spec = { workspaces: [{ name: workspace }], grantees }
  return { apiVersion: group, kind: 'WorkspaceShare', metadata: { namespace, name }, spec }
}
