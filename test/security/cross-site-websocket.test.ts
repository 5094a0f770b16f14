/** A page of somebody else opens a socket, and the visitor's browser adds the cookie (RFC 6455 section 10.2). */
import { describe, expect, test } from 'vitest'
import { commandLineSecret } from '#test/support/command-line.ts'
import { requestText, useTenants, websocketFields } from '#test/support/tenants.ts'

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  test('#57 [JK22.1] a socket that a cookie authenticates is opened for its own origin alone; any other one gets 403', async () => {
    const { a, b, ask, attack, world } = tenants()
    const { cookie, authority: host, prefix: target } = a
    const own = `http://${host}`
    const [name = '', port = ''] = host.split(':')
    const foreign = [
      ...[
        'http://evil.test',
        'https://evil.test',
        'null',
        '',
        'file://',
        'chrome-extension://abc',
        `http://localhost:${world.port}`,
      ],
      ...[
        `https://${host}`,
        `http://${name}`,
        `http://${name}:80`,
        `http://${name}:${Number(port) + 1}`,
        `http://x.${host}`,
      ],
      ...[
        `http://${host}.evil.test`,
        `http://${host}@evil.test`,
        `http://evil.test/${own}`,
        `${own}/`,
        `${own}#`,
        `${own},${own}`,
      ],
      ...[`http://idp.localhost:${port}`, `http://127.0.0.1:${port}`, own.toUpperCase(), ` ${own}x`, `ws://${host}`],
      ...(mode === 'host' ? [`http://${b.authority}`] : []),
    ]
    for (const origin of foreign) {
      const outcome = await attack(
        requestText({ target, host, cookie, fields: [...websocketFields, 'Origin', origin] }),
      )
      expect(outcome, origin).toEqual({ status: 403, reasons: ['cross-origin:origin_foreign'], upstreamBytes: 0 })
    }
    const missing = await attack(requestText({ target, host, cookie, fields: websocketFields }))
    expect(missing).toEqual({ status: 403, reasons: ['cross-origin:origin_missing'], upstreamBytes: 0 })
    const fields = [...websocketFields, 'Origin', own]
    expect((await ask(requestText({ target, host, cookie, fields }))).status).toBe(101)
  })

  test('#57 what the browser says about the site of its page does not stand in for the origin', async () => {
    const { a, attack } = tenants()
    const { cookie, authority: host, prefix: target } = a
    for (const site of ['same-origin', 'none', 'same-site']) {
      const fields = [
        ...websocketFields,
        'Origin',
        'http://evil.test',
        'Sec-Fetch-Site',
        site,
        'Sec-Fetch-Mode',
        'websocket',
      ]
      expect((await attack(requestText({ target, host, cookie, fields }))).status, site).toBe(403)
    }
  })

  test('#57 without an origin only a bearer token opens one, and not beside a cookie', async () => {
    const { a, alice, ask, attack, world } = tenants()
    const { cookie, authority: host, prefix: target } = a
    const secret = await commandLineSecret(world, alice)
    const bearer = [...websocketFields, 'Authorization', `Bearer ${secret}`]
    expect((await ask(requestText({ target, host, fields: bearer }))).status).toBe(101)
    const both = await attack(requestText({ target, host, cookie, fields: bearer }))
    expect(both).toEqual({ status: 403, reasons: ['cross-origin:origin_missing'], upstreamBytes: 0 })
  })
})
