/** The policy gatehouse-gateway-account, as somebody meets it who has stolen the gateway's token: RBAC lets it patch Workspaces. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openPolicyWorld, type PolicyWorld } from '#test/support/policy-world.ts'
import { describeWith } from '#test/support/real-parts.ts'

interface WorkspaceCrd {
  readonly spec: {
    readonly versions: readonly [
      {
        readonly schema: {
          readonly openAPIV3Schema: { readonly properties: { readonly spec: { readonly properties: object } } }
        }
      },
    ]
  }
}

const container = { name: 'x', image: 'evil' }

/** Of each field of a Workspace's spec a value that the schema takes and that `nb` does not have. */
const samples: Readonly<Record<string, unknown>> = {
  ...{ displayName: 'evil', image: 'evil', ownershipType: 'Public', accessType: 'Public', appType: 'evil' },
  ...{ resources: { limits: { cpu: '64' } }, storage: { size: '1Ti' }, env: [{ name: 'A', value: 'evil' }] },
  volumes: [{ name: 'x', persistentVolumeClaimName: 'alices', mountPath: '/x' }],
  containerConfig: { command: ['evil'] },
  ...{ nodeSelector: { a: 'b' }, affinity: { nodeAffinity: {} }, tolerations: [{ operator: 'Exists' }] },
  ...{ lifecycle: { postStart: { exec: { command: ['evil'] } } }, readinessProbe: { tcpSocket: { port: 1 } } },
  ...{ accessStrategy: { name: 'evil' }, templateRef: 'evil', integrationTemplateRefs: [{ name: 'evil' }] },
  idleShutdown: { enabled: false, idleTimeoutInMinutes: 1, detection: {} },
  ...{ serviceAccountName: 'admin', podSecurityContext: { runAsUser: 0 }, initContainers: [container] },
  containerSecurityContext: { privileged: true },
  ...{ ports: [{ name: 'ssh', port: 22 }], managerRef: { name: 'evil' }, executionProfileRef: { name: 'evil' } },
}

/** What is changed, and a merge patch or a JSON patch of it. */
type Change = readonly [what: string, patch: object]

describeWith('cluster', "the gateway's token and a Workspace", () => {
  let world: PolicyWorld
  beforeAll(async () => {
    world = await openPolicyWorld()
    const { workspace } = world
    await world.do(
      ['create', '-f', '-'],
      workspace('nb', { owner: 'alice', spec: { image: 'good', env: [{ name: 'A' }] } }),
    )
    // For kubectl, which reads what it patches; the gateway has no need to.
    await world.do(['create', 'role', 'reads', '--verb=get', '--resource=workspaces.workspace.jupyter.org'])
    await world.do(['create', 'rolebinding', 'reads', '--role=reads', `--serviceaccount=${world.namespace}:gatehouse`])
  })
  afterAll(() => world?.[Symbol.asyncDispose]())

  const policy = 'gatehouse-gateway-account'
  const merge = (patch: object) => ['patch', 'workspace', 'nb', '--type=merge', '-p', JSON.stringify(patch)]

  test('starts and stops it', async () => {
    expect(await world.asGateway(merge({ spec: { desiredStatus: 'Running' } }))).toMatchObject({ code: 0 })
    expect(await world.asGateway(merge({ spec: { desiredStatus: 'Stopped' } }))).toMatchObject({ code: 0 })
    expect(await world.asGateway(merge({ spec: { desiredStatus: 'Running' } }))).toMatchObject({ code: 0 })
  })

  test('is of the group that the README names for the CLUSTER_ADMIN_GROUP of jupyter-k8s, whose webhook else lets the owner alone', async () => {
    const { code, stdout } = await world.asGateway(['auth', 'whoami', '-o', 'json'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout).status.userInfo.groups).toContain(`system:serviceaccounts:${world.namespace}`)
    const readme = await readFile(join(import.meta.dirname, '../../README.md'), 'utf8')
    expect(readme).toMatch(/`CLUSTER_ADMIN_GROUP` \(such as\s`system:serviceaccounts:gatehouse`\)/)
  })

  /** Every field of the schema that is not the wish, with a value that it may have. */
  async function everyOtherField(): Promise<readonly Change[]> {
    const crd: WorkspaceCrd = JSON.parse(
      await world.do(['get', 'crd', 'workspaces.workspace.jupyter.org', '-o', 'json']),
    )
    const fields = crd.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties
    return Object.keys(fields)
      .filter((field) => field !== 'desiredStatus')
      .map((field) => [field, { spec: { desiredStatus: 'Stopped', [field]: samples[field] } }])
  }

  const others: readonly Change[] = [
    ['another image', { spec: { image: 'evil' } }],
    ['another image beside the wish', { spec: { desiredStatus: 'Stopped', image: 'evil' } }],
    ['a field that was not there', { spec: { accessType: 'Public' } }],
    ['a field taken away', { spec: { image: null } }],
    ['a value deep inside', [{ op: 'add', path: '/spec/env/0/value', value: 'evil' }]],
    ['one more port', { spec: { ports: [{ name: 'ssh', port: 22 }] } }],
    ['an annotation', { metadata: { annotations: { note: 'x' } } }],
    ['an annotation of ours', { metadata: { annotations: { 'gatehouse.dev/ports': '[]' } } }],
    ['no annotations', [{ op: 'remove', path: '/metadata/annotations' }]],
    [
      'a stamp with somebody else in it',
      { metadata: { annotations: { 'workspace.jupyter.org/last-updated-by': 'alice' } } },
    ],
    ['a label', { metadata: { labels: { team: 'x' } } }],
    ['a finalizer', { metadata: { finalizers: ['gatehouse.dev/x'] } }],
    ['an owner', { metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'x', uid: 'x' }] } }],
  ]

  test('[SP8.4] changes no other field of it', { timeout: 60_000 }, async () => {
    const fields = await everyOtherField()
    expect(fields.map(([field]) => field).sort()).toEqual(Object.keys(samples).sort())
    for (const [what, patch] of [...others, ...fields]) {
      // Whoever takes the annotations takes the owner with them, which two policies refuse: the server names one.
      const refusing = what === 'no annotations' ? [policy, 'gatehouse-workspace-owner'] : [policy]
      const form = Array.isArray(patch) ? 'application/json-patch+json' : 'application/merge-patch+json'
      expect(refusing, what).toContain(world.refusedBy(await world.patchAsGateway('nb', form, patch)))
    }
  })

  test('#105 can not by server-side apply what it can not by a patch', async () => {
    const { asGateway, refusedBy, workspace } = world
    const forced = ['apply', '--server-side', '--force-conflicts', '-f', '-']
    expect(refusedBy(await asGateway(forced, workspace('nb', { owner: 'alice', spec: { image: 'evil' } })))).toBe(
      policy,
    )
  })

  test('leaves room for the stamp of a webhook that says who changed it last', async () => {
    const { asGateway, gateway } = world
    const annotations = { 'workspace.jupyter.org/last-updated-by': gateway.username }
    expect(await asGateway(merge({ metadata: { annotations }, spec: { desiredStatus: 'Stopped' } }))).toMatchObject({
      code: 0,
    })
  })

  test('nobody else is held to it', async () => {
    const { as, writer } = world
    const change = { metadata: { annotations: { note: 'x' }, labels: { team: 'x' } }, spec: { image: 'better' } }
    expect(await as(writer, merge(change))).toMatchObject({ code: 0 })
  })

  describe('even with every right on Workspaces that RBAC could ever give it', () => {
    beforeAll(async () => {
      const { gateway } = world
      await world.do(['create', 'rolebinding', 'too-much', '--role=writer', `--user=${gateway.username}`])
    })

    test('#105 creates none, writes no status and deletes none', async () => {
      const { asGateway, refusedBy, workspace } = world
      expect(refusedBy(await asGateway(['create', '-f', '-'], workspace('evil')))).toBe(policy)
      const applied = ['apply', '--server-side', '-f', '-']
      expect(refusedBy(await asGateway(applied, workspace('evil')))).toBe(policy)
      const status = merge({ status: { accessURL: 'https://evil.example' } })
      expect(refusedBy(await asGateway([...status, '--subresource=status']))).toBe(policy)
      expect(refusedBy(await asGateway(['delete', 'workspace', 'nb']))).toBe(policy)
      expect(refusedBy(await asGateway(['delete', 'workspaces', '--all']))).toBe(policy)
      const replacement = workspace('nb', { owner: 'alice', spec: { image: 'evil' } })
      expect(refusedBy(await asGateway(['replace', '-f', '-'], replacement))).toBe(policy)
    })
  })
})
