/**
 * A gateway that asks by ConnectionAccessReview, as jupyter-k8s' own middleware does, installed by the chart: the question goes through the real API
 * server, by a real APIService, to what stands in for jupyter-k8s' extension of it.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { kubectl, tryKubectl } from '#test/support/cluster.ts'
import { type ExtensionServer, startExtensionServer } from '#test/support/cluster-site/extension-server.ts'
import { logOf } from '#test/support/cluster-site/insight.ts'
import { type ClusterSite, openSite, openWhenRunning, type SiteWorkspace } from '#test/support/cluster-site/site.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { until } from '#test/support/until.ts'

describeWith('helm', 'a gateway that asks by ConnectionAccessReview', () => {
  let site: ClusterSite
  let extension: ExtensionServer
  let shown: SiteWorkspace
  let own: SiteWorkspace
  let alice: ScriptedBrowser

  beforeAll(async () => {
    site = await openSite({ replicas: 1, settings: { cluster: { accessReview: 'connection' } } })
    extension = await startExtensionServer(site)
    shown = await site.workspace('shown', { owner: 'alice', spec: { accessType: 'Public' } })
    own = await site.workspace('own', { owner: 'alice', spec: { accessType: 'OwnerOnly' } })
    alice = await site.as('alice')
    for (const { url } of [shown, own]) await openWhenRunning(alice.tab(), url)
  }, 180_000)

  afterAll(async () => {
    await extension?.[Symbol.asyncDispose]()
    await site?.[Symbol.asyncDispose]()
  })

  const account = () => `system:serviceaccount:${site.namespace}:${site.namespace}`
  const mayWe = async (...what: readonly string[]) =>
    (await tryKubectl(['auth', 'can-i', ...what, '-n', site.team], { as: account() })).stdout.trim()

  test('lets in whom it says yes about, for the workspace that it was asked about, and refuses whom RBAC gives nothing', async () => {
    const [bob, dave] = [await site.as('bob'), await site.as('dave')]
    await site.kubectl(['delete', 'rolebinding', 'connects-dave'])
    expect((await bob.open(shown.url)).status).toBe(200)
    expect((await dave.open(shown.url)).status).toBe(403)
    const reviews = await extension.asked()
    const of = (user: string, workspaceName: string) =>
      reviews.filter(({ spec }) => spec.user === user && spec.workspaceName === workspaceName).at(-1)
    const yes = { allowed: true, notFound: false }
    expect(of('alice', 'own')?.status).toEqual({
      ...yes,
      reason: 'Valid RBAC and user is the owner of the private Workspace',
    })
    expect(of('bob', 'shown')?.status).toEqual({ ...yes, reason: 'Valid RBAC and the subject Workspace is public' })
    expect(of('dave', 'shown')?.status).toEqual({ allowed: false, notFound: false, reason: 'RBAC permission denied' })
    expect(of('dave', 'shown')).toMatchObject({ by: account(), namespace: site.team, spec: { groups: ['ds'] } })
    // Without a grant nobody is asked.
    expect((await bob.open(own.url)).status).toBe(403)
    expect((await extension.asked()).filter(({ spec }) => spec.user === 'bob' && spec.workspaceName === 'own')).toEqual(
      [],
    )
  }, 60_000)

  test('asks of it nothing else than it may: to create these reviews, in namespaces with workspaces', async () => {
    const group = 'connection.workspace.jupyter.org'
    expect(await mayWe('create', `connectionaccessreviews.${group}`)).toBe('yes')
    for (const verb of ['get', 'list', 'watch', 'update', 'delete'])
      expect([verb, await mayWe(verb, `connectionaccessreviews.${group}`)]).toEqual([verb, 'no'])
    for (const resource of ['workspaceconnections', 'bearertokenreviews'])
      expect([resource, await mayWe('create', `${resource}.${group}`)]).toEqual([resource, 'no'])
  })

  test('refuses with 503 whom it has not asked about when the extension server is away, and says why; the console goes on', async () => {
    const since = new Date()
    const carol = await site.as('carol')
    const bob = await site.as('bob')
    await extension.goAway()
    const other = await until(async () => {
      const page = await bob.tab().open(own.url)
      return page.status === 403 ? page : undefined
    })
    expect(other.status).toBe(403)
    const fresh = await site.workspace('fresh', { owner: 'alice', spec: { accessType: 'Public' } })
    // By her grant as an administrator, which is the API server's own to judge.
    await openWhenRunning(carol, fresh.url)
    const refused = await bob.open(fresh.url)
    expect(refused.status).toBe(503)
    expect((await bob.fetch(`${fresh.url}api`)).status).toBe(503)
    expect((await bob.open(`${site.origin}/`)).status).toBe(200)
    const [replica] = site.replicas
    if (!replica) throw new Error('no replica')
    const lines = await logOf(site, replica.pod, since)
    expect(lines).toContainEqual(expect.objectContaining({ event: 'deny', user: 'bob', reason: 'review-unavailable' }))
    expect(lines).toContainEqual(
      expect.objectContaining({
        component: 'reviews',
        reason: 'connectionaccessreviews: the API server answered 503: service unavailable',
      }),
    )
    expect(await kubectl(['get', 'apiservices', '-o', 'name'])).toContain('connection.workspace.jupyter.org')
  }, 90_000)
})
