/** Methods that are for proxies, for debugging, or for no resource at all. */
import { describe, expect, test } from 'vitest'
import { openRaw } from '#test/support/raw-http.ts'
import { blocked, requestText, useTenants } from '#test/support/tenants.ts'

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  test('#18 TRACE, CONNECT and what is no method are refused, with and without an upgrade', async () => {
    const { a, b, world, attack, attackTwice } = tenants()
    const { cookie, prefix, authority: host } = a
    for (const place of [host, `localhost:${world.port}`]) {
      const trace = { method: 'TRACE', target: prefix, host: place, cookie }
      expect(await attackTwice(trace)).toEqual(blocked(405, 'method_not_allowed'))
      for (const target of [b.authority, '169.254.169.254:80', `127.0.0.1:${b.app.port}`]) {
        const outcome = await attackTwice({ method: 'CONNECT', target, host: place, cookie })
        expect(outcome).toEqual(blocked(405, 'method_not_allowed'))
      }
      for (const method of ['TRACK', 'get', 'Get', 'GETX', 'FOO', 'G%45T', '']) {
        const outcome = await attack(requestText({ method, target: prefix, host: place, cookie }))
        expect([400, 405], method).toContain(outcome.status)
        expect(outcome, method).toMatchObject({ upstreamBytes: 0, reasons: [expect.any(String)] })
      }
    }
  })

  test('#18 a star is no resource, whoever asks for it', async () => {
    const { a, world, attackTwice } = tenants()
    for (const host of [a.authority, `localhost:${world.port}`]) {
      for (const method of ['OPTIONS', 'GET', 'POST', 'HEAD']) {
        const outcome = await attackTwice({ method, target: '*', host, cookie: a.cookie })
        expect(outcome, method).toEqual(blocked(400, 'target_form'))
      }
    }
  })

  test('#18 what follows such a request on its connection is not another one', async () => {
    const { a, attack, world } = tenants()
    const { cookie, prefix, authority: host } = a
    const next = requestText({ target: `${prefix}next`, host, cookie })
    const wrong = [
      requestText({ method: 'CONNECT', target: host, host, cookie }),
      requestText({ method: 'TRACE', target: prefix, host, cookie }),
      requestText({ method: 'OPTIONS', target: '*', host, cookie }),
      requestText({ method: 'FOO', target: prefix, host, cookie }),
    ]
    for (const first of wrong) {
      const outcome = await attack(async () => {
        using connection = await openRaw(world.port)
        connection.send(first + next)
        const answer = await connection.answer()
        expect(await connection.rest(), first).toBe('')
        return answer
      })
      expect([400, 405]).toContain(outcome.status)
      expect(outcome, first).toMatchObject({ upstreamBytes: 0, reasons: [expect.any(String)] })
    }
  })

  test('#18 HTTP/2 by prior knowledge is not spoken where no setting says so, so no CONNECT comes by it', async () => {
    const { attack } = tenants()
    const outcome = await attack('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0')
    expect(outcome).toEqual(blocked(505, 'http_version'))
  })

  test('#18 methods of applications reach their own', async () => {
    const { a, ask } = tenants()
    const { cookie, prefix: target, authority: host } = a
    const fields = ['Origin', `http://${host}`]
    for (const method of ['OPTIONS', 'PROPFIND', 'PATCH', 'DELETE', 'REPORT']) {
      expect((await ask(requestText({ method, target, host, cookie, fields }))).status, method).toBe(200)
      expect(a.app.requests.at(-1)).toMatchObject({ method, url: target })
    }
  })
})
