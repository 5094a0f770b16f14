/** What replicas of the installed chart survive: a killed one, an address that becomes another pod's, shares that change all the time. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { type Asker, askerOf, socketOptionsOf } from '#test/support/cluster-site/asker.ts'
import { inherit, podOf } from '#test/support/cluster-site/heir.ts'
import { figureOf, logOf } from '#test/support/cluster-site/insight.ts'
import { type NodeHand, openNodeHand } from '#test/support/cluster-site/node-hand.ts'
import { openShareChanger } from '#test/support/cluster-site/share-changer.ts'
import { type ClusterSite, openSite, openWhenRunning, type SiteReplica } from '#test/support/cluster-site/site.ts'
import type { EchoAnswer } from '#test/support/echo-container.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { until } from '#test/support/until.ts'
import { trySocket, type WorkspaceSocket } from '#test/support/workspace-socket.ts'
import { loginStorm, people } from './login-storm.ts'

const seconds = 1_000
/** `npm run crowds:cluster` has 2,000. */
const killedSockets = Number(process.env.GATEHOUSE_KILLED_SOCKETS ?? 500)
/** Most of what it takes are ends and handshakes of TLS, both ends of which share this machine. */
const longestReturn = Math.max(1, killedSockets / 500) * 15 * seconds
const longestEnd = killedSockets > 500 ? longestReturn : 2 * seconds

describeWith('helm', 'three replicas', () => {
  let site: ClusterSite
  let hand: NodeHand
  beforeAll(async () => {
    site = await openSite({ people, settings: { limits: { streamsPerIdentity: 2 * killedSockets + 100 } } })
    hand = await openNodeHand(site.namespace)
  }, 240_000)
  afterAll(() => site?.[Symbol.asyncDispose]())

  describe(`a storm of ${people} logins`, () => loginStorm(() => site))

  test('#81 one killed with hundreds of open sockets: all are back within seconds, by the others, and nobody logs in again', {
    timeout: 180_000,
  }, async () => {
    const { url } = await site.workspace('busy', { owner: 'alice' })
    const alice = await site.as('alice')
    await openWhenRunning(alice, url)
    const [victim, other] = await site.findReplicas()
    if (!victim || !other) throw new Error('there are no two replicas')
    using elsewhere = await site.socket(alice, url, other)
    const sockets = await allAtOnce(killedSockets, 25, () => site.socket(alice, url, victim))
    const refusals: number[] = []
    const returns = sockets.map(async (socket) => {
      const { code } = await socket.closed
      const closedAt = Date.now()
      const again = await reopen(site, alice, url, refusals)
      return { code, closedAt, backAt: Date.now(), again }
    })
    const killedAt = await hand.kill(victim.pod)
    const back = await Promise.all(returns)
    expect(new Set(back.map(({ code }) => code))).toEqual(new Set([1006]))
    expect(Math.max(...back.map(({ closedAt }) => closedAt)) - killedAt).toBeLessThan(longestEnd)
    expect(Math.max(...back.map(({ backAt }) => backAt)) - killedAt).toBeLessThan(longestReturn)
    expect(refusals.filter((status) => status < 500)).toEqual([])
    expect(String(await back[0]?.again.ask('still alice'))).toBe('still alice')
    expect(elsewhere.isOpen()).toBe(true)
    for (const { again } of back) again[Symbol.dispose]()
    await site.findReplicas()
  })

  test('a pod whose address is another workspace’s at once: no byte of the one reaches the other', {
    timeout: 90_000,
  }, async () => {
    const gone = await site.workspace('gone', { owner: 'alice' })
    const [alice, bob] = [await site.as('alice'), await site.as('bob')]
    await openWhenRunning(alice, gone.url)
    const replicas = await site.findReplicas()
    using asker = askerOf(site, alice)
    const before = await podOf(site, 'gone')
    const ending = new AbortController()
    const answers: Answer[] = []
    const traffic = replicas.map((replica) =>
      keepAsking({ site, browser: alice, asker, replica, url: gone.url, signal: ending.signal }, answers),
    )
    await delay(1 * seconds)
    await site.kubectl(['scale', 'deployment/workspace-gone', '--replicas=0'])
    const heir = await inherit(site, hand, before.address)
    await openWhenRunning(bob, heir.url)
    await delay(3 * seconds)
    ending.abort()
    await Promise.all(traffic)
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThan(10)
    expect(new Set(answers.flatMap(({ pod }) => (pod === undefined ? [] : [pod])))).toEqual(new Set([before.uid]))
    expect(answers.at(-1)?.status).toBe(503)
    const heard = await heir.heard()
    expect(heard).toContain('GET / HTTP/1.1')
    // Neither by a request nor by a handshake, answered or not.
    expect(heard).not.toMatch(/for-alice|X-Forwarded-User: alice/i)
  })

  test('10 share changes a second for 20 s are followed by each within 2 s, at the same memory and without an error', {
    timeout: 90_000,
  }, async () => {
    const names = Array.from({ length: 20 }, (_, index) => `turn-${index}`)
    const stopped = { desiredStatus: 'Stopped' }
    const made = await Promise.all(names.map((name) => site.workspace(name, { owner: 'alice', spec: stopped })))
    const dave = await site.as('dave')
    const replicas = await site.findReplicas()
    using asker = askerOf(site, dave)
    using changer = openShareChanger(site.team)
    const took: number[] = []
    const change = async ({ ref, url }: (typeof made)[number], isGiven: boolean) => {
      await (isGiven ? changer.share(ref.name, { users: ['dave'] }) : changer.revoke(ref.name))
      const answeredAt = performance.now()
      await Promise.all(
        replicas.map(async (replica) => {
          const wanted = isGiven ? 424 : 403
          await until(async () => ((await asker.ask(replica, url)).status === wanted ? true : undefined))
          took.push(performance.now() - answeredAt)
        }),
      )
    }
    for (const one of made) {
      await changer.share(one.ref.name, { users: ['dave'] })
      // Each workspace has a host of its own, and its own cookie for it.
      await until(async () => ((await dave.open(one.url)).status === 403 ? undefined : true))
      await change(one, false)
    }
    const memory = () => Promise.all(replicas.map((replica) => figureOf(replica, 'process_resident_memory_bytes')))
    const [before, began] = [await memory(), new Date()]
    took.length = 0
    const changes: Promise<void>[] = []
    for (let turn = 0; turn < 200; turn++) {
      const one = made[turn % made.length]
      if (one) changes.push(change(one, Math.floor(turn / made.length) % 2 === 0))
      await delay(100)
    }
    await Promise.all(changes)
    expect(took).toHaveLength(600)
    expect(Math.max(...took)).toBeLessThan(2 * seconds)
    const after = await memory()
    const growth = after.map((bytes, index) => bytes - (before[index] ?? 0))
    expect(Math.max(...growth)).toBeLessThan(48 * 2 ** 20)
    const lines = (await Promise.all(replicas.map(({ pod }) => logOf(site, pod, began)))).flat()
    expect(lines.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([])
  })
})

/** As pages do: not all at the same moment, and with a pause after each failure that grows. */
async function reopen(
  site: ClusterSite,
  browser: ScriptedBrowser,
  url: string,
  refusals: number[],
): Promise<WorkspaceSocket> {
  await delay((0.5 + Math.random()) * seconds)
  for (let pause = 100; ; pause = Math.min(pause * 2, 1 * seconds)) {
    const answer = await trySocket(browser, url, socketOptionsOf(site)).catch(() => undefined)
    if (answer?.kind === 'open') return answer.socket
    if (answer) refusals.push(answer.answer.status)
    await delay(pause)
  }
}

interface Answer {
  readonly status: number
  /** Which one answered. */
  readonly pod: string | undefined
}

interface Asking {
  readonly site: ClusterSite
  readonly browser: ScriptedBrowser
  readonly asker: Asker
  readonly replica: SiteReplica
  readonly url: string
  readonly signal: AbortSignal
}

/** Requests and sockets in turn, until the signal. What dies in the middle has no answer. */
async function keepAsking({ site, browser, asker, replica, url, signal }: Asking, answers: Answer[]): Promise<void> {
  while (!signal.aborted) {
    const answer = await asker.ask(replica, `${url}for-alice`).catch(() => undefined)
    if (answer) answers.push({ status: answer.status, pod: answer.status === 200 ? podIn(answer.body) : undefined })
    const opened = await trySocket(browser, `${url}for-alice`, socketOptionsOf(site, replica)).catch(() => undefined)
    if (opened?.kind !== 'open') continue
    await opened.socket.ask('for-alice').catch(() => undefined)
    opened.socket[Symbol.dispose]()
  }
}

/** So many at once, and no more, so that no connection waits for its turn until it is given up. */
async function allAtOnce<T>(count: number, most: number, make: () => Promise<T>): Promise<readonly T[]> {
  const made: T[] = []
  while (made.length < count) {
    made.push(...(await Promise.all(Array.from({ length: Math.min(most, count - made.length) }, make))))
  }
  return made
}

/** UID of the pod that answered. */
function podIn(body: string): string {
  const answer: EchoAnswer = JSON.parse(body)
  return answer.pod
}
