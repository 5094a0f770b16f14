/** `Expect: 100-continue` asks whether the body may come: who may not send it is told so, and not to go on. */
import { describe, expect, test } from 'vitest'
import { headersOf } from '#test/support/echo-app.ts'
import { openRaw } from '#test/support/raw-http.ts'
import { requestText, settled, useTenants } from '#test/support/tenants.ts'

const expecting = ['Expect', '100-continue', 'Content-Length', '5']

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  test('#73 who may not go in gets his refusal without 100, the connection ends, and no byte reaches the app', async () => {
    const { a, b, world, attack } = tenants()
    const origin = ['Origin', `http://${a.authority}`]
    const cases = [
      { host: a.authority, target: a.prefix, status: 401, reason: 'login-needed:none' },
      {
        host: b.authority,
        target: b.prefix,
        cookie: a.cookie,
        status: 401,
        reason: expect.stringMatching(/^login-needed/),
      },
      {
        host: a.authority,
        target: a.prefix,
        cookie: a.cookie,
        foreign: true,
        status: 403,
        reason: expect.stringMatching(/^cross-origin/),
      },
      { host: 'evil.example', target: '/', status: 421, reason: 'foreign_host' },
    ]
    for (const { host, target, cookie, foreign, status, reason } of cases) {
      const from = foreign ? ['Origin', 'http://evil.example'] : origin
      const outcome = await attack(async () => {
        using connection = await openRaw(world.port)
        const more = cookie === undefined ? {} : { cookie }
        connection.send(requestText({ method: 'POST', target, host, ...more, fields: [...from, ...expecting] }))
        const answer = await connection.answer()
        expect(answer.interim).toEqual([])
        expect(headersOf(answer, 'connection')).toEqual(['close'])
        // What he sends in spite of it is neither a body nor a request.
        connection.send(requestText({ target: `${a.prefix}smuggled`, host: a.authority, cookie: a.cookie }))
        expect(await connection.rest()).toBe('')
        return answer
      })
      expect(outcome).toEqual({ status, reasons: [reason], upstreamBytes: 0 })
    }
  })

  test('#73 who may is told to go on when the app says so, once, and his body arrives', async () => {
    const { a, world } = tenants()
    const { cookie, authority: host, prefix: target } = a
    using connection = await openRaw(world.port)
    const fields = ['Origin', `http://${host}`, ...expecting]
    connection.send(requestText({ method: 'POST', target, host, cookie, fields }))
    expect(await connection.bytes(25)).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    connection.send('hello')
    expect(await connection.answer()).toMatchObject({ status: 200, interim: [100] })
    expect(a.app.requests.at(-1)).toMatchObject({ method: 'POST', body: 'hello' })
  })

  test('#73 no other expectation is met, and nobody in HTTP/1.0 is sent a 100', async () => {
    const { a, world, attack } = tenants()
    const { cookie, authority: host, prefix: target } = a
    const origin = ['Origin', `http://${host}`]
    for (const value of ['200-ok', 'x', '100-continued', '\u00e4', '']) {
      const fields = [...origin, 'Expect', value, 'Content-Length', '5']
      const outcome = await attack(requestText({ method: 'POST', target, host, cookie, fields, body: 'hello' }))
      expect(outcome, value).toEqual({ status: 417, reasons: ['expectation_failed'], upstreamBytes: 0 })
    }
    using connection = await openRaw(world.port)
    connection.send(
      requestText({ method: 'POST', target, host, cookie, version: 'HTTP/1.0', fields: [...origin, ...expecting] }),
    )
    await settled()
    connection.send('hello')
    expect(await connection.answer()).toMatchObject({ status: 200, interim: [] })
    expect(a.app.requests.at(-1)).toMatchObject({ body: 'hello' })
  })
})
