/** One person on every replica of a site at once: what is answered there, and sockets that are open on each. */
import { expect } from 'vitest'
import type { Page, RequestOptions, ScriptedBrowser } from '../browser-session.ts'
import { until } from '../until.ts'
import type { WorkspaceSocket } from '../workspace-socket.ts'
import type { ClusterSite, SiteReplica } from './site.ts'

/** What ends is to be felt within this time, in milliseconds (design.md, "Access"). */
export const revocationBound = 2_000

type Replicas = Pick<ClusterSite, 'replicas' | 'through' | 'socket'>

/** A request by a program with the browser's cookies, to each replica. */
export function askEverywhere(
  site: Replicas,
  browser: ScriptedBrowser,
  url: string,
  options?: RequestOptions,
): Promise<readonly Page[]> {
  return Promise.all(site.replicas.map((replica) => site.through(replica, browser).fetch(url, options)))
}

export async function statusesEverywhere(site: Replicas, browser: ScriptedBrowser, url: string): Promise<number[]> {
  return (await askEverywhere(site, browser, url)).map(({ status }) => status)
}

/**
 * Waits until every replica answers so; how long that took since then, in milliseconds. What is under way at the instant that access ends is cut off,
 * which is no answer yet.
 */
export async function untilEverywhere(
  site: Replicas,
  browser: ScriptedBrowser,
  url: string,
  { status, since = performance.now() }: { readonly status: number; readonly since?: number },
): Promise<number> {
  const seen: { statuses: (number | 'cut')[] } = { statuses: [] }
  const ask = (replica: SiteReplica) =>
    site
      .through(replica, browser)
      .fetch(url)
      .then(
        (page) => page.status,
        () => 'cut' as const,
      )
  return until(
    async () => {
      seen.statuses = await Promise.all(site.replicas.map(ask))
      return seen.statuses.every((one) => one === status) ? performance.now() - since : undefined
    },
    () => `${url} is answered ${seen.statuses}, not ${status}`,
  )
}

export interface Presence extends Disposable {
  readonly sockets: readonly WorkspaceSocket[]
  /** Every one of them has answered something just now. */
  live(): Promise<true>
  /** Every one of them was closed so, by that time after the instant, which `performance.now()` has told. */
  closedWith(end: { readonly code: number; readonly reason?: string }, since: number, within?: number): Promise<void>
}

/** A socket on each replica that has carried something. */
export async function presentEverywhere(site: Replicas, browser: ScriptedBrowser, url: string): Promise<Presence> {
  const sockets = await Promise.all(
    site.replicas.map((replica) => site.socket(site.through(replica, browser), url, replica)),
  )
  const presence: Presence = {
    sockets,
    async live() {
      for (const socket of sockets) expect((await socket.ask('here')).toString()).toBe('here')
      return true
    },
    async closedWith(end, since, within = revocationBound) {
      const ends = await Promise.all(sockets.map(({ closed }) => closed))
      for (const closed of ends) {
        expect(closed).toMatchObject(end)
        expect(closed.at - since).toBeLessThan(within)
      }
    },
    [Symbol.dispose]() {
      for (const socket of sockets) socket[Symbol.dispose]()
    },
  }
  await presence.live()
  return presence
}
