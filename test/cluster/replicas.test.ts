/** The installed chart with three replicas, which no balancer keeps anybody at. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ClusterSite, openSite, openWhenRunning } from '#test/support/cluster-site/site.ts'
import { describeWith } from '#test/support/real-parts.ts'

describeWith('cluster', 'three replicas', () => {
  let site: ClusterSite
  beforeAll(async () => {
    site = await openSite()
  }, 120_000)
  afterAll(() => site[Symbol.asyncDispose]())

  test('[JK24.1] serve one login without sticky sessions, each by itself at once', { timeout: 60_000 }, async () => {
    const { url } = await site.workspace('nb', { owner: 'alice' })
    const [first, ...others] = site.replicas
    const alice = await site.as('alice', first)
    await openWhenRunning(alice, url)
    expect(others).toHaveLength(2)
    for (const replica of others) {
      const there = site.through(replica, alice)
      expect((await there.navigate(url)).status).toBe(200)
      using socket = await site.socket(there, url, replica)
      expect((await socket.ask('hello')).toString()).toBe('hello')
      expect((await there.navigate(`${site.origin}/`)).status).toBe(200)
    }
  })
})
