/** One person's answer kept for another: nothing is cached on the way, whatever an app allows, and no worker of one app answers for others. */
import { describe, expect, test } from 'vitest'
import { headersOf } from '#test/support/echo-app.ts'
import { useSharedApp } from '#test/support/shared-app.ts'
import { requestText } from '#test/support/tenants.ts'

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const world = useSharedApp({ mode })

  test.each(['public, max-age=31536000, immutable', 's-maxage=31536000', 'public, stale-while-revalidate=86400', ''])(
    '#79 two people ask for the same address, and each is answered by the app, although it says %j',
    async (control) => {
      const { tenants, shared, app, cookies } = world()
      const lines = `Cache-Control: ${control}\r\nETag: "1"\r\nLast-Modified: Sat, 21 Nov 2026 00:00:00 GMT\r\n`
      app.respond = ({ text }, socket) => {
        const [, user = 'nobody'] = /\r\nX-Forwarded-User: (.*)/i.exec(text) ?? []
        socket.write(`HTTP/1.1 200 OK\r\n${lines}Content-Length: ${user.length}\r\n\r\n${user}`)
        return true
      }
      for (const path of ['page', 'static/app.js', 'profile.css', 'x/..%2fstatic/a.png', 'account;a.css']) {
        const before = app.heads.length
        const ask = (cookie: string, fields: readonly string[] = []) =>
          tenants.ask(requestText({ target: shared.prefix + path, host: shared.authority, cookie, fields }))
        const ofAlice = await ask(cookies.alice)
        const ofBob = await ask(cookies.bob)
        expect([ofAlice.body, ofBob.body]).toEqual(['alice', 'bob'])
        expect(headersOf(ofBob, 'cache-control')).toEqual([control])
        expect(headersOf(ofBob, 'age')).toEqual([])
        const stranger = await tenants.attack(requestText({ target: shared.prefix + path, host: shared.authority }))
        expect(stranger).toEqual({ status: 401, reasons: ['login-needed:none'], upstreamBytes: 0 })
        // What a browser asks by what it has is asked of the app as well.
        await ask(cookies.bob, ['If-None-Match', '"1"'])
        const seen = app.heads.slice(before)
        expect(seen).toHaveLength(3)
        expect(seen[2]?.text).toContain('If-None-Match: "1"')
      }
      app.respond = undefined
    },
  )

  test('#79 what the gateway itself answers is kept by nobody', async () => {
    const { tenants, shared, cookies } = world()
    const host = shared.authority
    for (const bytes of [
      requestText({ target: shared.prefix, host }),
      requestText({
        target: shared.prefix,
        host,
        fields: ['Sec-Fetch-Mode', 'navigate', 'Sec-Fetch-Dest', 'document'],
      }),
      requestText({ target: '/.gatehouse/none', host, cookie: cookies.bob }),
      requestText({ target: '/', host: `localhost:${tenants.world.port}` }),
      requestText({ target: '//x', host }),
    ]) {
      const answer = await tenants.ask(bytes)
      expect(headersOf(answer, 'cache-control'), bytes).toEqual(['no-store'])
    }
  })

  test('#79 a service worker reaches no further than its workspace, and there is none of the console', async () => {
    const { tenants, shared, app, cookies, text, bobIsServed } = world()
    const allowed = async (value: string) => {
      app.respond = (_head, socket) =>
        socket.write(`HTTP/1.1 200 OK\r\nService-Worker-Allowed: ${value}\r\nContent-Length: 0\r\n\r\n`)
      const answer = await tenants.ask(text('service-worker.js', { fields: ['Service-Worker', 'script'] }))
      app.respond = undefined
      return headersOf(answer, 'service-worker-allowed')
    }
    const own = shared.prefix
    for (const value of [
      '/',
      '/workspaces/',
      '/workspaces/team/',
      '/workspaces/team/b/',
      `${own}../`,
      `${own}%2e%2e/`,
    ]) {
      expect(await allowed(value), value).toEqual([mode === 'path' ? own : value])
    }
    expect(await allowed(`${own}sub/`)).toEqual([`${own}sub/`])
    for (const target of ['/service-worker.js', '/sw.js', '/.gatehouse/sw.js']) {
      const asked = {
        target,
        host: `localhost:${tenants.world.port}`,
        cookie: cookies.alice,
      }
      expect((await tenants.attack(requestText({ ...asked, fields: ['Service-Worker', 'script'] }))).status).toBe(404)
    }
    await bobIsServed()
  })
})
