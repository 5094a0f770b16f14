/** Compressed bodies that unpack to a thousand times their size: nothing on the way unpacks them. */
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { api } from '#surface/urls.ts'
import { headersOf } from '#test/support/echo-app.ts'
import { requestText, useTenants } from '#test/support/tenants.ts'

const unpacked = Buffer.alloc(64 * 1024 ** 2)
const bombs = [
  ['gzip', gzipSync(unpacked)],
  ['br', brotliCompressSync(unpacked)],
  ['gzip, gzip', gzipSync(gzipSync(unpacked))],
] as const

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  test.each(bombs)('#78 a body in %s passes both ways as it is', async (coding, bomb) => {
    const { a, ask } = tenants()
    const { cookie, authority: host, prefix: target } = a
    const before = process.memoryUsage().rss
    a.app.answer = (_request, response) => {
      response.writeHead(200, { 'content-encoding': coding, 'content-length': bomb.length, vary: 'Accept-Encoding' })
      response.end(bomb)
      return true
    }
    const answer = await ask(requestText({ target, host, cookie, fields: ['Accept-Encoding', coding] }))
    a.app.answer = undefined
    expect(answer.body).toBe(bomb.toString('latin1'))
    expect(headersOf(answer, 'content-encoding')).toEqual([coding])
    expect(headersOf(answer, 'vary')).toEqual(['Accept-Encoding'])
    const fields = ['Origin', `http://${host}`, 'Content-Encoding', coding, 'Content-Length', String(bomb.length)]
    const upload = requestText({ method: 'POST', target, host, cookie, fields, body: bomb.toString('latin1') })
    expect((await ask(Buffer.from(upload, 'latin1'))).status).toBe(200)
    const seen = a.app.requests.at(-1)
    expect(seen?.body).toBe(bomb.toString('latin1'))
    expect(seen && headersOf(seen, 'content-encoding')).toEqual([coding])
    expect(process.memoryUsage().rss - before).toBeLessThan(unpacked.length)
  })

  test.each(bombs)('#78 our own surface takes no body in %s, and unpacks none', async (coding, bomb) => {
    const { alice, attack, world, a } = tenants()
    const host = `localhost:${world.port}`
    const own = { url: new URL(world.origin), isSameSite: true, isSafeNavigation: false }
    const cookie = alice.cookies.header(own) ?? ''
    const before = process.memoryUsage().rss
    const type = ['Content-Type', 'application/json', 'Content-Encoding', coding]
    const fields = ['Origin', world.origin, ...type, 'Content-Length', String(bomb.length)]
    const bytes = requestText({
      method: 'POST',
      target: api.shares(a.ref),
      host,
      cookie,
      fields,
      body: bomb.toString('latin1'),
    })
    const { status, upstreamBytes } = await attack(Buffer.from(bytes, 'latin1'))
    expect([400, 413, 415, 422]).toContain(status)
    expect(upstreamBytes).toBe(0)
    expect(process.memoryUsage().rss - before).toBeLessThan(unpacked.length)
  })
})
