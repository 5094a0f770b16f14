/** What the chart and `config/default` would install: judged by helm, and by the API server in dry runs. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { leastValues, objectsIn, type Rendered, render, renderText, tryHelm } from '#test/support/chart.ts'
import { kubectl, openNamespace, type TestNamespace, tryKubectl } from '#test/support/cluster.ts'
import { installCrds } from '#test/support/cluster-install.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { load } from '#test/unit/settings/settings-world.ts'

interface Installed extends Rendered {
  readonly metadata: Rendered['metadata'] & { readonly labels?: object; readonly annotations?: object }
  readonly spec?: { readonly template?: { readonly metadata: object; readonly spec: object } }
  readonly subjects?: readonly { readonly kind: string; readonly name: string; readonly namespace: string }[]
  readonly data?: { readonly 'settings.yaml'?: string }
}

const machine = { issuer: 'https://kubernetes.default.svc.cluster.local', subjects: ['system:serviceaccount:ci:bot'] }
const otherMachine = {
  kind: 'issuer',
  issuer: 'https://ci.example.com',
  audience: 'mine',
  subjects: ['build'],
  usernamePrefix: 'ci:',
}
const hostAliases = [{ ip: '192.0.2.1', hostnames: ['idp.example.com'] }]
const tls = { secretName: 'wildcard' }
const tlsFiles = { '/etc/gatehouse/tls/tls.crt': 'certificate', '/etc/gatehouse/tls/tls.key': 'key' }

describeWith('helm', 'the chart', () => {
  let site: TestNamespace
  let a: TestNamespace
  let b: TestNamespace
  beforeAll(async () => {
    await installCrds()
    site = await openNamespace('gh-chart')
    a = await openNamespace('gh-chart')
    b = await openNamespace('gh-chart')
    await kubectl(['label', 'namespace', site.name, 'pod-security.kubernetes.io/enforce=restricted'])
  })
  afterAll(async () => {
    for (const namespace of [site, a, b]) await namespace?.[Symbol.asyncDispose]()
  })

  const variants: readonly (readonly [string, () => object])[] = [
    ['with the least that must be said', () => leastValues],
    ['with TLS', () => ({ ...leastValues, tls, service: { type: 'LoadBalancer' } })],
    ['with HTTP/2 for a balancer in front', () => ({ ...leastValues, http2: true })],
    ['for two namespaces', () => ({ ...leastValues, namespaces: [a.name, b.name] })],
    ['without policies', () => ({ ...leastValues, policies: { create: false } })],
    ['with policies that name a further gateway', () => ({ ...leastValues, policies: { gateways: [otherGateway] } })],
    ['with five replicas', () => ({ ...leastValues, replicas: 5 })],
    ['with one replica', () => ({ ...leastValues, replicas: 1 })],
    ['with names of hosts', () => ({ ...leastValues, hostAliases })],
    ['with machines, confirmed by the API server', () => ({ ...leastValues, machines: [machine], tokenReview: true })],
    [
      'with upstream’s access review',
      () => ({ ...leastValues, settings: { cluster: { accessReview: 'connection' } } }),
    ],
    ['with a manager that somebody else writes', () => ({ manager: { create: false } })],
    ['with everything that can be added to its pods', () => ({ ...leastValues, ...furtherValues })],
  ]

  test.each(variants)('%s passes the strict lint of helm, and the API server takes it', async (_what, values) => {
    expect(await tryHelm(['lint', '--strict'], values())).toMatchObject({ code: 0 })
    const text = await renderText({ release: 'y', namespace: site.name, values: values() })
    const taken = await tryKubectl(['create', '--dry-run=server', '-f', '-'], { input: text })
    // Policies and roles for people are the same objects for every Gatehouse of a cluster, so that they may be there already.
    expect(taken.stderr.split('\n').filter((line) => line !== '' && !line.includes('AlreadyExists'))).toEqual([])
    expect(taken.stdout).toContain('deployment.apps/y created')
  })

  test('config/default is taken by the API server, and is what the chart installs by default', async () => {
    const everything = await kubectl(['kustomize', 'config/default'])
    const moved = everything.replaceAll(/\bnamespace: gatehouse$/gm, `namespace: ${site.name}`)
    const asked = ['apply', '--server-side', '--force-conflicts', '--field-manager=gatehouse-tests', '--dry-run=server']
    const taken = await tryKubectl([...asked, '-f', '-'], { input: moved })
    expect(taken).toMatchObject({ code: 0, stderr: '' })

    const byChart = await render<Installed>({ release: 'gatehouse', namespace: 'gatehouse', values: defaultValues })
    const byConfig = objectsIn<Installed>(everything).filter(({ kind }) => !/^(CustomResource|Namespace)/.test(kind))
    const comparable = (objects: readonly Installed[]) => new Map(objects.map((one) => [nameOf(one), bare(one)]))
    const [chart, config] = [comparable(byChart), comparable(byConfig)]
    const countOf = (part: string) => [...chart.keys()].filter((key) => key.startsWith(`${part}/`)).length
    for (const part of ['Deployment', 'Service', 'PodDisruptionBudget', 'ConfigMap', 'ServiceAccount'])
      expect(countOf(part), part).toBe(1)
    // For the keys of sessions, and for those of the SSH authority.
    expect(countOf('Secret')).toBe(2)
    // Rights are cut into roles otherwise; what they add up to is compared elsewhere.
    const isRight = (key: string) => /^(Cluster)?Role(Binding)?\/gatehouse(:|$|-gateway|-logs)/.test(key)
    const without = (table: Map<string, unknown>) => Object.fromEntries([...table].filter(([key]) => !isRight(key)))
    expect(without(chart)).toEqual(without(config))
  })

  test('gives the same rights as config/rbac', async () => {
    const rightsOf = (objects: readonly RoleObject[], kind: string, isMeant: (name: string) => boolean) =>
      objects
        .filter((object) => object.kind === kind && isMeant(object.metadata.name))
        .flatMap(({ rules = [] }) => rules.map((rule) => JSON.stringify(sorted(rule))))
        .sort()
    const byChart = await render<RoleObject>({ release: 'gatehouse', namespace: 'gatehouse', values: defaultValues })
    const byConfig = objectsIn<RoleObject>(await kubectl(['kustomize', 'config/default']))
    const isForUs = (name: string) => /^gatehouse(:|$|-gateway|-logs)/.test(name)
    expect(rightsOf(byChart, 'ClusterRole', isForUs)).toEqual(rightsOf(byConfig, 'ClusterRole', isForUs))
    expect(rightsOf(byChart, 'Role', isForUs)).toEqual(rightsOf(byConfig, 'Role', isForUs))
    expect(rightsOf(byChart, 'Role', isForUs).length).toBeGreaterThan(5)
    const values = { ...defaultValues, namespaces: ['gatehouse'], workspaceLogs: { enabled: false } }
    const inOne = await render<RoleObject>({ release: 'gatehouse', namespace: 'gatehouse', values })
    const namespaced = objectsIn<RoleObject>(await kubectl(['kustomize', 'config/rbac/namespaced']))
    const all = () => true
    expect(rightsOf(inOne, 'Role', all)).toEqual(rightsOf(namespaced, 'Role', all))
    const beside = { ...values, namespaces: ['team'] }
    const inAnother = await render<RoleObject>({ release: 'gatehouse', namespace: 'gatehouse', values: beside })
    // The heartbeat of shares is in none of the namespaces then.
    const heartbeat = {
      apiGroups: ['workspace.jupyter.org'],
      resources: ['workspaceshares'],
      resourceNames: ['gatehouse-heartbeat'],
    }
    const withHeartbeat = [
      ...rightsOf(namespaced, 'Role', all),
      JSON.stringify(sorted({ ...heartbeat, verbs: ['list', 'watch'] })),
    ]
    expect(rightsOf(inAnother, 'Role', all)).toEqual(withHeartbeat.sort())
    const asking = { ...defaultValues, settings: { cluster: { accessReview: 'connection' } } }
    const further = objectsIn<RoleObject>(await kubectl(['kustomize', 'config/rbac/connection-review']))
    const withReview = await render<RoleObject>({ release: 'gatehouse', namespace: 'gatehouse', values: asking })
    const both = [...rightsOf(byChart, 'ClusterRole', isForUs), ...rightsOf(further, 'ClusterRole', all)].sort()
    expect(rightsOf(withReview, 'ClusterRole', isForUs)).toEqual(both)
  })

  test('its pods fit a namespace that enforces the restricted profile: nobody in particular, and a root that nothing can write to', async () => {
    const objects = await render<Installed>({ release: 'y', namespace: site.name, values: { ...leastValues, tls } })
    const template = objects.find(({ kind }) => kind === 'Deployment')?.spec?.template
    const podWith = (spec: object) => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'one' }, spec })
    const create = async (spec: object) => {
      // Pods are judged only where their account exists.
      const plain = { ...template?.spec, serviceAccountName: 'default', ...spec }
      const asked = ['create', '--dry-run=server', '--namespace', site.name, '-f', '-']
      return tryKubectl(asked, { input: [podWith(plain)] })
    }
    await expect.poll(() => create({})).toMatchObject({ code: 0, stderr: '' })
    expect((await create({ securityContext: {} })).stderr).toContain('violates PodSecurity')
    expect(template?.spec).toMatchObject({
      securityContext: { runAsNonRoot: true, runAsUser: 65532 },
      containers: [
        {
          securityContext: {
            ...{ readOnlyRootFilesystem: true, allowPrivilegeEscalation: false },
            capabilities: { drop: ['ALL'] },
          },
        },
      ],
    })
  })

  describe.each([
    ['cluster-wide', {}],
    ['for one namespace', { namespaces: ['x'] }],
    ['with all that can be added', { policies: { create: true }, tls, machines: [machine], hostAliases }],
  ])('%s', (_what, more) => {
    const values = { ...leastValues, ...more }

    test('[SO5.1] rendered in the namespace x as the release y it names no other namespace', async () => {
      const text = await renderText({ release: 'y', namespace: 'x', values })
      const bareText = text.replaceAll(/^ *#.*$/gm, '')
      const named = [...bareText.matchAll(/[nN]amespace"?: *"?([a-z0-9-]+)/g)].map(([, name]) => name)
      expect(named.length).toBeGreaterThan(10)
      expect(new Set(named)).toEqual(new Set(['x']))
      const accounts = [...text.matchAll(/system:serviceaccount:([a-z0-9-]+):([a-z0-9-]+)/g)].map(([whole]) => whole)
      const subjects = machine.subjects
      expect(accounts.filter((account) => !subjects.includes(account)).every((one) => one.endsWith(':x:y'))).toBe(true)
      for (const { kind, metadata } of objectsIn(text))
        if (!clusterWide.has(kind)) expect(metadata.namespace, `${kind} ${metadata.name}`).toBe('x')
    })

    test('[SO5.2] who is trusted, and whom tokens have to be for, follow the namespace and the release', async () => {
      const withMachine = { ...values, machines: [machine, otherMachine] }
      const objects = await render<Installed>({ release: 'y', namespace: 'x', values: withMachine })
      const file = objects.find(({ kind }) => kind === 'ConfigMap')?.data?.['settings.yaml']
      const loaded = await load({ file: file ?? '', face: 'serve', env: {}, files: tlsFiles })
      expect(loaded).toMatchObject({
        kind: 'loaded',
        settings: {
          managerName: 'y',
          sessions: { stateNamespace: 'x' },
          cluster: { serviceAccount: 'y' },
          machines: [{ audience: 'y.x.svc' }, { audience: 'mine' }],
        },
      })
      const bindings = objects.filter(({ kind }) => kind.endsWith('RoleBinding'))
      expect(bindings.length).toBeGreaterThan(1)
      for (const { subjects } of bindings)
        expect(subjects).toEqual([{ kind: 'ServiceAccount', name: 'y', namespace: 'x' }])
      const policies = objects
        .filter(({ kind }) => kind === 'ValidatingAdmissionPolicy')
        .map((one) => JSON.stringify(one))
      for (const policy of policies.filter((one) => one.includes('isGateway')))
        expect(policy).toContain("['system:serviceaccount:x:y']")
      expect(policies.length > 0).toBe(!('namespaces' in more))
    })
  })

  test.each<readonly [string, object, boolean]>([
    ['browsers in TLS, by itself', { tls }, true],
    ['nobody in TLS, where it is off', { tls, http2: false }, false],
    ['nobody without TLS, by itself', {}, false],
    ['a balancer without TLS, where it is on', { http2: true }, true],
  ])('its listener speaks HTTP/2 to %s', async (_who, more, http2) => {
    const objects = await render<Installed>({ release: 'y', namespace: 'x', values: { ...leastValues, ...more } })
    const file = objects.find(({ kind }) => kind === 'ConfigMap')?.data?.['settings.yaml'] ?? ''
    const loaded = await load({ file, face: 'serve', env: {}, files: tlsFiles })
    expect(loaded).toMatchObject({ kind: 'loaded', settings: { listeners: [{ http2 }] } })
  })

  test('for some namespaces it is Roles alone', async () => {
    const objects = await render({ release: 'y', namespace: 'x', values: { ...leastValues, namespaces: ['a', 'b'] } })
    expect(objects.filter(({ kind }) => clusterWide.has(kind))).toEqual([])
    const roles = objects.filter(({ kind }) => kind === 'Role').map(({ metadata }) => metadata.namespace)
    expect(roles).toEqual(['x', 'a', 'b'])
  })

  test.each<readonly [string, object, string]>([
    ['no domain', { manager: { spec: { domain: '' } } }, 'manager.spec.domain must name the host of the console'],
    ['no issuer', { manager: { spec: { oidc: [] } } }, 'manager.spec.oidc must name at least one issuer'],
    ['a misspelt value', { replica: 3 }, "'replica' not allowed"],
    ['HTTP/2 by a word', { http2: 'yes' }, '/http2'],
    ['a misspelt setting', { settings: { sesions: {} } }, "'sesions' not allowed"],
    ['a misspelt field of the manager', { manager: { spec: { admins: [] } } }, "'admins' not allowed"],
    ['no replica', { replicas: 0 }, '/replicas'],
    ['no namespace', { namespaces: ['A'] }, '/namespaces/0'],
    ['a machine of any name', { machines: [{ issuer: machine.issuer }] }, "missing property 'subjects'"],
    ['a gateway that is no account', { policies: { gateways: ["x'] || true"] } }, '/policies/gateways/0'],
    ['reviews of tokens without the right', { namespaces: ['a'], tokenReview: true }, 'tokenReview asks in the whole'],
    ['too little time to end', { terminationGracePeriodSeconds: 30 }, 'terminationGracePeriodSeconds'],
  ])('%s is refused with a word about it', async (_what, values, message) => {
    const { code, stderr } = await tryHelm(['template', 'y', '--namespace', 'x'], merged(leastValues, values))
    expect(code).not.toBe(0)
    expect(stderr).toContain(message)
  })

  test('what it says after an installation leads to its own objects', async () => {
    const values = { ...leastValues, machines: [machine] }
    const { stdout } = await tryHelm(['install', 'y', '--namespace', 'x', '--dry-run=client'], values)
    const notes = stdout.slice(stdout.indexOf('NOTES:'))
    expect(notes).toContain('kubectl rollout status deployment/y --namespace x')
    expect(notes).toContain('kubectl get workspacemanager y --namespace x')
    expect(notes).toContain('--clusterrole=gatehouse-visitor')
    expect(notes).toContain('y.x.svc')
    expect(notes).toContain('https://ws.example.com')
  })
})

const otherGateway = 'system:serviceaccount:other:gatehouse'
const clusterWide = new Set([
  ...['ClusterRole', 'ClusterRoleBinding', 'ValidatingAdmissionPolicy', 'ValidatingAdmissionPolicyBinding'],
])

const furtherValues = {
  imagePullSecrets: [{ name: 'registry' }],
  podAnnotations: { a: 'b' },
  podLabels: { a: 'b' },
  nodeSelector: { a: 'b' },
  tolerations: [{ key: 'a', operator: 'Exists' }],
  affinity: { nodeAffinity: {} },
  topologySpreadConstraints: [
    { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway', labelSelector: {} },
  ],
  env: [{ name: 'NODE_EXTRA_CA_CERTS', value: '/etc/authority/ca.crt' }],
  volumes: [{ name: 'authority', configMap: { name: 'authority' } }],
  volumeMounts: [{ name: 'authority', mountPath: '/etc/authority', readOnly: true }],
  serviceAccount: { name: 'own', annotations: { a: 'b' } },
  podDisruptionBudget: { minAvailable: 0 },
  endpointDelaySeconds: 0,
  trustedProxies: ['10.0.0.0/8'],
  proxyProtocolFrom: ['10.0.0.0/8'],
}

/** What `config/default` says. */
const defaultValues = {
  manager: {
    spec: {
      domain: 'ws.example.com',
      oidc: [
        {
          issuer: 'https://idp.example.com',
          clientId: 'gatehouse',
          clientSecretRef: { name: 'gatehouse-oidc', key: 'client-secret' },
        },
      ],
    },
  },
}

interface RoleObject extends Rendered {
  readonly rules?: readonly Readonly<Record<string, readonly string[]>>[]
}

function sorted(rule: Readonly<Record<string, readonly string[]>>): object {
  return Object.fromEntries(
    Object.keys(rule)
      .sort()
      .map((key) => [key, [...(rule[key] ?? [])].sort()]),
  )
}

function nameOf({ kind, metadata }: Rendered): string {
  return `${kind}/${metadata.name}`
}

/** Without what only a release has: labels of helm, and the sum that makes new pods of new settings. */
function bare({ metadata, spec, ...rest }: Installed): unknown {
  const { labels: _, annotations: _annotations, ...plain } = metadata
  const { template, ...others } = spec ?? {}
  return { ...rest, metadata: plain, spec: { ...others, ...(template ? { template: template.spec } : {}) } }
}

/** One level deep, but for the manager's spec, so that only what a case is about is missing. */
function merged(base: typeof leastValues, more: object): object {
  if (!('manager' in more)) return { ...base, ...more }
  const spec = { ...base.manager.spec, ...JSON.parse(JSON.stringify(more)).manager.spec }
  return { ...base, manager: { spec } }
}
