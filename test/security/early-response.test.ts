/** An app that answers amid an upload (CVE-2026-71324, CVE-2026-48931): its answer arrives, and neither connection goes on with the rest of the body. */
import { describe, expect, test } from 'vitest'
import { headersOf } from '#test/support/echo-app.ts'
import { openRaw } from '#test/support/raw-http.ts'
import { useSharedApp } from '#test/support/shared-app.ts'
import { settled } from '#test/support/tenants.ts'

const length = 200_000

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const world = useSharedApp({ mode })

  test.each([413, 401, 200, 302, 500])(
    '#71 %i before the body has come: she gets it, the rest is no request, and bob’s next one is served',
    async (status) => {
      const { tenants, app, text, shared, bobIsServed } = world()
      app.respond = (_head, socket) => socket.write(`HTTP/1.1 ${status} x\r\nContent-Length: 5\r\n\r\nearly`)
      const before = app.heads.length
      using connection = await openRaw(tenants.world.port)
      const bait = `GET ${shared.prefix}bait HTTP/1.1\r\nHost: ${shared.authority}\r\nX-Forwarded-User: bob\r\n\r\n`
      const fields = ['Content-Length', String(length)]
      connection.send(text('upload', { method: 'POST', fields, body: 'x'.repeat(1000) }))
      expect(await connection.answer()).toMatchObject({ status, body: 'early' })
      app.respond = undefined
      await bobIsServed()
      // The rest of the body is a body, whatever it looks like, and what stands behind it a request.
      connection.send(`${bait.padEnd(length - 1000, 'x')}${text('next')}`)
      const last = await connection.answer().catch(() => undefined)
      if (last !== undefined) expect(last.body).toMatch(/^GET \S+next HTTP\/1\.1 alice$/)
      await bobIsServed()
      await settled()
      const seen = app.heads.slice(before)
      expect(seen.filter(({ text: head }) => head.includes('/bait') && /X-Gatehouse-Assertion/i.test(head))).toEqual([])
      const carrying = seen.find(({ text: head }) => head.startsWith('POST'))?.connection
      expect(seen.filter(({ connection: of }) => of === carrying)).toHaveLength(1)
    },
  )

  test('#71 in chunks as well, and where the app closes behind its answer', async () => {
    const { tenants, app, text, bobIsServed } = world()
    app.respond = (_head, socket) => {
      socket.end('HTTP/1.1 413 x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nearly')
      return true
    }
    using connection = await openRaw(tenants.world.port)
    connection.send(text('upload', { method: 'PUT', fields: ['Transfer-Encoding', 'chunked'], body: '5\r\nhello\r\n' }))
    expect(await connection.answer()).toMatchObject({ status: 413, body: 'early' })
    app.respond = undefined
    await bobIsServed()
    connection.send(`5\r\nhello\r\n0\r\n\r\n${text('next')}`)
    const last = await connection.answer().catch(() => undefined)
    if (last !== undefined) expect(last.body).toMatch(/^GET \S+next HTTP\/1\.1 alice$/)
    await bobIsServed()
  })

  test('#71 our own answer to an upload that may not go in ends its connection, and nothing of it reaches the app', async () => {
    const { tenants, shared, bobIsServed } = world()
    const outcome = await tenants.attack(async () => {
      using connection = await openRaw(tenants.world.port)
      const head = `POST ${shared.prefix}upload HTTP/1.1\r\nHost: ${shared.authority}\r\nContent-Length: ${length}\r\n\r\n`
      connection.send(`${head}part`)
      const answer = await connection.answer()
      expect(headersOf(answer, 'connection')).toEqual(['close'])
      expect(await connection.rest()).toBe('')
      return answer
    })
    expect(outcome).toEqual({ status: 401, reasons: ['login-needed:none'], upstreamBytes: 0 })
    await bobIsServed()
  })
})
