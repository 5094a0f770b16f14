/** Chunks that somebody reads in another way than somebody else, and fields behind them that a server would have had to know before. */
import { describe, expect, test } from 'vitest'
import { openRaw } from '#test/support/raw-http.ts'
import { useSharedApp } from '#test/support/shared-app.ts'
import { settled } from '#test/support/tenants.ts'

const chunked = ['Transfer-Encoding', 'chunked']
const broken: ReadonlyArray<readonly [what: string, body: string]> = [
  ['a line feed alone behind the size', '5\nhello\r\n0\r\n\r\n'],
  ['a carriage return alone behind the size', '5\rhello\r\n0\r\n\r\n'],
  ['two carriage returns behind the size', '5\r\r\nhello\r\n0\r\n\r\n'],
  ['a line feed alone behind the data', '5\r\nhello\n0\r\n\r\n'],
  ['nothing behind the data', '5\r\nhello0\r\n\r\n'],
  ['two bytes of data behind the data', '5\r\nhelloXX0\r\n\r\n'],
  ['a line feed alone within an extension', '5;a=b\nGET /smuggled HTTP/1.1\r\nhello\r\n0\r\n\r\n'],
  ['a line feed within a quoted extension', '5;a="\nx"\r\nhello\r\n0\r\n\r\n'],
  ['a line end within a quoted extension', '5;a="\r\n0\r\n\r\nx"\r\nhello\r\n0\r\n\r\n'],
  ['a NUL within an extension', '5;a=\u0000\r\nhello\r\n0\r\n\r\n'],
  ...[
    '0x5',
    '+5',
    '-5',
    '-1',
    '5.',
    '5,',
    'g',
    '',
    '_5',
    '5h',
    'FFFFFFFFFFFFFFFFF',
    '10000000000000005',
    '8000000000000000000',
  ].map((size) => [`the size ${JSON.stringify(size)}`, `${size}\r\nhello\r\n0\r\n\r\n`] as const),
  ['an extension of 20 KB', `5;a=${'b'.repeat(20_000)}\r\nhello\r\n0\r\n\r\n`],
  ['an extension of bytes above ASCII', '5;\u00e4=1\r\nhello\r\n0\r\n\r\n'],
  ['a length behind the body', '5\r\nhello\r\n0\r\nContent-Length: 100\r\n\r\n'],
  ['chunks announced behind the body', '5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ['a folded trailer', '5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n'],
  ['a trailer with a space before its colon', '5\r\nhello\r\n0\r\nX : a\r\n\r\n'],
  ['a trailer with a NUL', '5\r\nhello\r\n0\r\nX: \u0000\r\n\r\n'],
  ['trailers of 64 KB', `5\r\nhello\r\n0\r\n${`X: ${'a'.repeat(1000)}\r\n`.repeat(64)}\r\n`],
]

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const world = useSharedApp({ mode })

  test.each(broken)('#69 %s: refused, and what follows is no request, here or at the app', async (_what, body) => {
    const { tenants, app, text, bobIsServed } = world()
    // It waits for the whole body, which never comes.
    app.respond = () => true
    const before = app.heads.length
    using connection = await openRaw(tenants.world.port)
    connection.send(text('upload', { method: 'POST', fields: chunked, body: body + text('smuggled') }))
    const { status } = await connection.answer()
    expect([400, 413, 431]).toContain(status)
    // Else the gateway waits a second for it.
    connection.socket.end()
    expect(await connection.rest()).toBe('')
    // What came of it may come to the app a moment later than the refusal to the client, or not at all.
    const patience = Date.now() + 2_000
    const ended = () => {
      const came = app.heads.slice(before)
      return (came.length > 0 || Date.now() > patience) && came.every((head) => !app.isOpen(head.connection))
    }
    await tenants.world.until(ended, 'the end of the connection to the app')
    app.respond = undefined
    const seen = app.heads.slice(before).map((head) => head.text)
    expect(seen.filter((head) => head.includes('smuggled'))).toEqual([])
    expect(seen.filter((head) => head.startsWith('POST')).length).toBeLessThanOrEqual(1)
    await bobIsServed()
  })

  /** The body as the app got it. */
  async function carried(body: string, fields: readonly string[] = []): Promise<string> {
    const { tenants, app, text } = world()
    app.respond = (head) => head.text.startsWith('POST')
    const before = app.heads.length
    expect((await tenants.ask(text('upload', { method: 'POST', fields: [...chunked, ...fields], body }))).status).toBe(
      200,
    )
    app.respond = undefined
    await settled()
    const [, sent = { text: '' }, ...more] = app.heads.slice(before)
    expect(more).toEqual([])
    return sent.text
  }

  test('#69 extensions, leading zeros and capital digits are read, and written anew as nothing but sizes', async () => {
    const { bobIsServed } = world()
    for (const size of ['5', '05', '0000005', '5;a', '5;a=b', '5;a="b;c"']) {
      expect(await carried(`${size}\r\nhello\r\n0\r\n\r\n`), size).toBe('5\r\nhello\r\n0')
    }
    expect(await carried('A\r\nhellohello\r\n000\r\n\r\n')).toBe('a\r\nhellohello\r\n0')
    await bobIsServed()
  })

  test('#69 of trailers the app gets those that no server acts on, and never one of ours', async () => {
    const { bobIsServed } = world()
    const never = [
      'Host: evil.example',
      'Authorization: Bearer x',
      'Cookie: a=b',
      'Connection: close',
      'X-Forwarded-User: bob',
      'X_Forwarded_User: bob',
      'X-Forwarded-For: 127.0.0.1',
      'X-Gatehouse-Assertion: x',
      'Origin: http://evil.example',
      'Set-Cookie: a=b',
      'Upgrade: h2c',
    ]
    const body = `5\r\nhello\r\n0\r\n${never.join('\r\n')}\r\nX-Sum: 1\r\n\r\n`
    expect(await carried(body, ['Trailer', 'X-Sum'])).toBe('5\r\nhello\r\n0\r\nX-Sum: 1')
    await bobIsServed()
  })
})
