/**
 * Where a body ends: two servers that disagree on it read different requests out of the same bytes (RFC 9112 section 11.2). Node's parser lets
 * through some of these, so each is sent to the real listener.
 */
import { describe, expect, test } from 'vitest'
import { openRaw, type RawConnection } from '#test/support/raw-http.ts'
import { useSharedApp } from '#test/support/shared-app.ts'

const chunks = '5\r\nhello\r\n0\r\n\r\n'

/** Fields and body; the lengths are of `hello` where they have one. */
const wrong: ReadonlyArray<readonly [what: string, fields: readonly string[], body: string]> = [
  ['a length and chunks', ['Content-Length', '5', 'Transfer-Encoding', 'chunked'], chunks],
  ['chunks and a length', ['Transfer-Encoding', 'chunked', 'Content-Length', '5'], chunks],
  ['chunks and a length of nothing', ['Transfer-Encoding', 'chunked', 'Content-Length', '0'], chunks],
  ['two lengths', ['Content-Length', '5', 'Content-Length', '6'], 'hello'],
  ['two equal lengths', ['Content-Length', '5', 'content-length', '5'], 'hello'],
  ...[
    '+5',
    '-5',
    '0x5',
    '5,5',
    '5, 5',
    '5;',
    '5 5',
    '5.0',
    '5e0',
    '\u00b2',
    '',
    '-0',
    '9'.repeat(25),
    '18446744073709551621',
  ].map((length) => [`the length ${JSON.stringify(length)}`, ['Content-Length', length], 'hello'] as const),
  ...[
    'xchunked',
    'chunked, identity',
    'identity',
    'gzip, chunked',
    'chunked, chunked',
    'chunked,',
    ',chunked',
    'chunked;q=1',
    '"chunked"',
    'gzip',
    '',
    'chunked\u00a0',
    '\u000bchunked',
    'chunked\u000b',
    'x',
    'cow',
  ].map((coding) => [`the coding ${JSON.stringify(coding)}`, ['Transfer-Encoding', coding], chunks] as const),
  ['the coding behind a folded line', ['Transfer-Encoding', '\r\n chunked'], chunks],
  ['the coding folded behind another', ['Transfer-Encoding', 'gzip,\r\n chunked'], chunks],
  ['the coding twice', ['Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked'], chunks],
  ['the coding in two fields', ['Transfer-Encoding', 'gzip', 'Transfer-Encoding', 'chunked'], chunks],
  ['the coding and then none', ['Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'identity'], chunks],
  ['a space before the colon of a length', ['Content-Length ', '5'], 'hello'],
  ['a space before the colon of a coding', ['Transfer-Encoding ', 'chunked'], chunks],
  ['a tab before the colon of a coding', ['Transfer-Encoding\t', 'chunked'], chunks],
  ['a NUL in the name of a length', ['Content-Length\u0000', '5'], 'hello'],
  ['a line feed in the value of a coding', ['Transfer-Encoding', '\nchunked'], chunks],
]

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const world = useSharedApp({ mode })

  /** Sends it with one more request behind, and sees the connection end after the one answer. */
  async function refused(connection: RawConnection, bytes: string): Promise<number> {
    connection.send(bytes + world().text('smuggled', { fields: ['X-Smuggled', 'yes'] }))
    const { status, body } = await connection.answer()
    expect(JSON.parse(body)).toMatchObject({ status, requestId: expect.any(String) })
    expect(await connection.rest()).toBe('')
    return status
  }

  test.each(wrong)('#68 %s: 400, the connection ends, and nothing reaches the app', async (_what, fields, body) => {
    const { tenants, text, bobIsServed } = world()
    for (const method of ['POST', 'GET']) {
      const outcome = await tenants.attack(async () => {
        using connection = await openRaw(tenants.world.port)
        return { status: await refused(connection, text('first', { method, fields, body })) }
      })
      expect(outcome).toEqual({ status: 400, reasons: [expect.any(String)], upstreamBytes: 0 })
    }
    await bobIsServed()
  })

  test('#68 chunks in HTTP/1.0: 400, the connection ends, and nothing reaches the app', async () => {
    const { tenants, text, bobIsServed } = world()
    const fields = ['Transfer-Encoding', 'chunked', 'Connection', 'keep-alive']
    const outcome = await tenants.attack(async () => {
      using connection = await openRaw(tenants.world.port)
      const bytes = text('first', { method: 'POST', version: 'HTTP/1.0', fields, body: chunks })
      return { status: await refused(connection, bytes) }
    })
    expect(outcome).toEqual({ status: 400, reasons: [expect.any(String)], upstreamBytes: 0 })
    await bobIsServed()
  })

  test('#68 on a connection that has served before, the answer is the same', async () => {
    const { tenants, text, bobIsServed } = world()
    for (const [what, fields, body] of wrong) {
      using connection = await openRaw(tenants.world.port)
      connection.send(text('before'))
      expect((await connection.answer()).status).toBe(200)
      const outcome = await tenants.attack(async () => {
        return { status: await refused(connection, text('first', { method: 'POST', fields, body })) }
      })
      expect(outcome, what).toMatchObject({ status: 400, upstreamBytes: 0 })
    }
    await bobIsServed()
  })

  test('#68 what is right arrives with one framing, ours, in the spelling that everybody reads alike', async () => {
    const { tenants, app, text, bobIsServed } = world()
    const right: readonly (readonly string[])[] = [
      ['Content-Length', '5'],
      ['content-length', '05'],
      ['CONTENT-LENGTH', '\t5 '],
      ['Transfer-Encoding', 'chunked'],
      ['transfer-encoding', 'CHUNKED'],
    ]
    for (const fields of right) {
      const isChunked = fields[0]?.toLowerCase().startsWith('transfer')
      const bytes = text('upload', { method: 'POST', fields, body: isChunked ? chunks : 'hello' })
      expect((await tenants.ask(bytes)).status, String(fields)).toBe(200)
      const seen = app.heads.findLast((head) => head.text.startsWith('POST'))?.text ?? ''
      const framing = seen.split('\r\n').filter((line) => /^(?:content-length|transfer-encoding)/i.test(line))
      expect(framing).toEqual([isChunked ? 'Transfer-Encoding: chunked' : 'Content-Length: 5'])
      await bobIsServed()
    }
  })
})
