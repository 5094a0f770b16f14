/** `Connection: X-Forwarded-User`: a client tells the gateway to drop what the gateway says (RFC 9110 section 7.6.1). */
import { describe, expect, test } from 'vitest'
import { headersOf } from '#test/support/echo-app.ts'
import { requestText, useTenants, websocketFields } from '#test/support/tenants.ts'

const nominations = [
  ...[
    'X-Forwarded-User, X-Gatehouse-Assertion, X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, X-Forwarded-Port',
  ],
  ...['x-forwarded-user,X-GATEHOUSE-ASSERTION', 'Cookie, Host, Content-Length', 'Origin, Content-Type, Authorization'],
  ...['Transfer-Encoding', 'close, keep-alive, , Sec-WebSocket-Key', 'Connection, TE', 'X-App'],
]

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })
  const ours = ['x-forwarded-user', 'x-gatehouse-assertion', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto']

  test('#26 what the gateway says arrives whatever is nominated, and so does what servers decide upon', async () => {
    const { a, ask } = tenants()
    const { authority: host, prefix: target } = a
    const origin = `http://${host}`
    const fields = [
      ...nominations.flatMap((value, index) => [index % 2 ? 'Connection' : 'connection', value]),
      ...[
        'Origin',
        origin,
        'Content-Type',
        'text/plain',
        'Authorization',
        'Basic YTpi',
        'Content-Length',
        '4',
        'X-App',
        'x',
      ],
    ]
    const cookie = `${a.cookie}; own=1`
    expect((await ask(requestText({ method: 'POST', target, host, cookie, fields, body: 'body' }))).status).toBe(200)
    const seen = a.app.requests.at(-1)
    const said = (name: string) => (seen ? headersOf(seen, name) : [])
    for (const name of ours) expect(said(name), name).toHaveLength(1)
    expect(said('x-forwarded-user')).toEqual(['alice'])
    expect(said('cookie')).toEqual(['own=1'])
    expect(said('host')).toEqual([host])
    expect(said('origin')).toEqual([origin])
    expect(said('authorization')).toEqual(['Basic YTpi'])
    expect(said('content-length')).toEqual(['4'])
    expect(seen?.body).toBe('body')
    // And what may be taken away, is.
    expect(said('x-app')).toEqual([])
    expect(said('connection').join()).not.toMatch(/x-|cookie|host|origin/i)
  })

  test('#26 the same for an upgrade', async () => {
    const { a, ask } = tenants()
    const { authority: host, prefix: target, cookie } = a
    const [, , ...rest] = websocketFields
    const more = nominations.flatMap((value) => ['Connection', value])
    const fields = [...more, 'Connection', 'Upgrade', ...rest, 'Origin', `http://${host}`, 'X-App', 'x']
    expect((await ask(requestText({ target, host, cookie, fields }))).status).toBe(101)
    const seen = a.app.requests.at(-1)
    const said = (name: string) => (seen ? headersOf(seen, name) : [])
    for (const name of [...ours, 'sec-websocket-key', 'host', 'origin']) expect(said(name), name).toHaveLength(1)
    expect(said('connection')).toEqual(['Upgrade'])
    expect(said('x-app')).toEqual([])
  })
})
