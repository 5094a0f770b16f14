/** An API server that is away for ten minutes, by a clock of the test: neither lists nor watches nor reviews nor anything written. */
import { expect, test } from 'vitest'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { type FaultyResources, faultyResources } from '#test/support/faulty-resources.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { scriptedReviewer } from '#test/support/scripted-reviewer.ts'
import { openSocket } from '#test/support/workspace-socket.ts'
import { createWorld } from '#test/support/world.ts'
import { cookieFor, modes } from './scene.ts'

const second = 1_000

test.each(modes)(
  '#83 in %s mode, for ten minutes: who was in goes on for five, then nobody is let in; nobody reaches what is not his, and all is as it was when it is back',
  async (mode) => {
    const clock = fakeClock(Date.now())
    const reviewer = scriptedReviewer()
    await using world = await createWorld({ mode, reviewer, clock })
    let store: FaultyResources | undefined
    const { port } = await world.replica({
      resources(shared) {
        store = faultyResources(shared)
        return store
      },
    })
    const hers = await world.workspace({ name: 'hers', owner: 'alice' })
    const his = await world.workspace({ name: 'his', owner: 'bob' })
    const [alice, bob] = await Promise.all([world.as('alice'), world.as('bob')])
    await Promise.all([alice.open(hers.url), bob.open(his.url)])
    // By the replica that is about to lose its store.
    const ask = async (browser: ScriptedBrowser, url: string) =>
      (await plainRequest(url, { headers: cookieFor(browser, url), port })).status
    await expect.poll(() => ask(alice, hers.url)).toBe(200)
    using socket = await openSocket(alice, hers.url, { port })
    // He has a cookie there, and no grant.
    expect((await bob.open(hers.url)).status).toBe(403)
    const bobs = his.app.requests.length
    if (!store) throw new Error('no store')
    const away = store.fail('list', 'watch', 'get', 'create', 'replace', 'patchSpec', 'patchStatus', 'delete')
    reviewer.says = 'unreachable'

    for (let passed = 0; passed < 270; passed += 30) {
      await clock.advance(30 * second)
      expect(await ask(alice, hers.url)).toBe(200)
      expect(await ask(bob, hers.url)).toBe(403)
    }
    expect(socket.isOpen()).toBe(true)
    await clock.advance(40 * second)
    expect(await socket.closed).toMatchObject({ code: 1008, reason: 'access not confirmed' })
    for (let passed = 310; passed < 600; passed += 30) {
      await clock.advance(30 * second)
      expect(await ask(alice, hers.url)).toBe(503)
      expect([403, 503]).toContain(await ask(bob, hers.url))
      // His own, too: nobody has said since when he may.
      expect(await ask(bob, his.url)).toBe(503)
    }
    expect(his.app.requests.length).toBe(bobs)

    away[Symbol.dispose]()
    reviewer.says = 'allowed'
    await clock.advance(30 * second)
    expect(await ask(alice, hers.url)).toBe(200)
    expect(await ask(bob, his.url)).toBe(200)
    expect(await ask(bob, hers.url)).toBe(403)
    using again = await openSocket(alice, hers.url, { port })
    expect((await again.ask('back')).toString()).toBe('back')
  },
)
