/** Everybody comes at nine: people who log in at once by three replicas, any of which answers any of their requests. */
import { expect, test } from 'vitest'
import { api } from '#surface/urls.ts'
import { figureOf, logOf } from '#test/support/cluster-site/insight.ts'
import type { ClusterSite } from '#test/support/cluster-site/site.ts'

/** Whom the site needs, `u0` and so on. */
export const people = 1_000
const atOnce = 50
/** To the login page, to the provider, and back: what a login takes, and not one more. */
const mostPages = 12
const mostMemory = 300 * 2 ** 20

export function loginStorm(siteOf: () => ClusterSite): void {
  test('leaves each of them at the console as himself, without a loop: as many token calls as people, and no replica grows by it for good', {
    timeout: 60_000 + people * 500,
  }, async () => {
    const site = siteOf()
    const began = new Date()
    const names = Array.from({ length: people }, (_, index) => `u${index}`)
    const pages: number[] = []
    const one = async (name: string) => {
      const browser = site.browser()
      await browser.open(`${site.origin}/`)
      const before = browser.history.length
      await browser.login(name, site.password)
      expect(browser.page).toMatchObject({ status: 200, url: new URL(`${site.origin}/`) })
      pages.push(before + browser.history.length)
      const whoami = await browser.fetch(site.origin + api.whoami)
      expect(JSON.parse(whoami.body)).toMatchObject({ username: name })
    }
    const coming = names.values()
    const entrance = async () => {
      for (const name of coming) await one(name)
    }
    await Promise.all(Array.from({ length: atOnce }, entrance))
    expect(pages).toHaveLength(people)
    expect(Math.max(...pages)).toBeLessThanOrEqual(mostPages)
    expect((await site.provider.asked())['/token']).toBe(people)
    const sessions = await site.ours(['get', 'workspacesessions', '-o', 'jsonpath={.items[*].spec.username}'])
    expect(
      sessions
        .split(' ')
        .filter((name) => /^u\d+$/.test(name))
        .toSorted(),
    ).toEqual(names.toSorted())
    const lines = await Promise.all(site.replicas.map(({ pod }) => logOf(site, pod, began)))
    const logins = lines.map((replica) => replica.filter(({ event }) => event === 'login').length)
    expect(logins.reduce((sum, count) => sum + count, 0)).toBe(people)
    expect(Math.min(...logins)).toBeGreaterThan(0)
    expect(lines.flat().filter(({ level }) => level === 'error')).toEqual([])
    const memory = await Promise.all(site.replicas.map((one) => figureOf(one, 'process_resident_memory_bytes')))
    expect(Math.max(...memory)).toBeLessThan(mostMemory)
  })
}
