/** What an app answers that two readers would read in two ways, or that is more than its answer: never the next visitor's (CVE-2026-48931). */
import { describe, expect, test } from 'vitest'
import { headersOf } from '#test/support/echo-app.ts'
import { openRaw } from '#test/support/raw-http.ts'
import { useSharedApp } from '#test/support/shared-app.ts'
import { settled } from '#test/support/tenants.ts'

const ok = 'HTTP/1.1 200 OK\r\n'
const bait = `${ok}Content-Length: 4\r\nSet-Cookie: bait=1\r\n\r\nbait`

/** Sent whole; the answer is 502. */
const refused: ReadonlyArray<readonly [what: string, bytes: string]> = [
  ['a length and chunks', `${ok}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${bait}`],
  ['chunks and a length', `${ok}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n${bait}`],
  ['two lengths', `${ok}Content-Length: 2\r\nContent-Length: 100\r\n\r\nok${bait}`],
  ['two equal lengths', `${ok}Content-Length: 2\r\nContent-Length: 2\r\n\r\nok${bait}`],
  ...['+2', '0x2', '-1', '2, 2', '2 2', '', '1e0', '9'.repeat(30)].map(
    (length) => [`the length ${JSON.stringify(length)}`, `${ok}Content-Length: ${length}\r\n\r\nok${bait}`] as const,
  ),
  ...['gzip, chunked', 'xchunked', 'identity', 'chunked, identity', 'chunked, chunked', ''].map(
    (coding) =>
      [`the coding ${JSON.stringify(coding)}`, `${ok}Transfer-Encoding: ${coding}\r\n\r\n0\r\n\r\n${bait}`] as const,
  ),
  ['chunks in HTTP/1.0', `HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${bait}`],
  ['a carriage return within a value', `${ok}X: a\rSet-Cookie: bait=1\r\nContent-Length: 0\r\n\r\n`],
  ['a line feed within a value', `${ok}X: a\nSet-Cookie: bait=1\r\nContent-Length: 0\r\n\r\n`],
  ['a NUL within a value', `${ok}X: a\u0000\r\nContent-Length: 0\r\n\r\n`],
  ['a folded field', `${ok}X: a\r\n Set-Cookie: bait=1\r\nContent-Length: 0\r\n\r\n`],
  ['a space before a colon', `${ok}Content-Length : 0\r\n\r\n${bait}`],
  ['a line without a colon', `${ok}bait\r\nContent-Length: 0\r\n\r\n`],
  ['a name of no letters', `${ok}: bait\r\nContent-Length: 0\r\n\r\n`],
  ['lines that end in line feeds alone', 'HTTP/1.1 200 OK\nContent-Length: 4\n\nbait\r\n\r\n'],
  ['no head at all', '<html>bait</html>\r\n\r\n'],
  ['another version', `HTTP/2 200\r\nContent-Length: 4\r\n\r\nbait`],
  ['a status of two digits', `HTTP/1.1 20 OK\r\nContent-Length: 4\r\n\r\nbait`],
  ['a status of four digits', `HTTP/1.1 2000 OK\r\nContent-Length: 4\r\n\r\nbait`],
  ['the status 000', `HTTP/1.1 000 OK\r\nContent-Length: 4\r\n\r\nbait`],
  ['a head of 100 KB', `${ok}X: ${'a'.repeat(100_000)}\r\nContent-Length: 0\r\n\r\n`],
  ['a flood of 100', `${'HTTP/1.1 100 Continue\r\n\r\n'.repeat(1000)}${ok}Content-Length: 4\r\n\r\nbait`],
  [
    'a flood of 103',
    `${'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'.repeat(1000)}${ok}Content-Length: 4\r\n\r\nbait`,
  ],
]

/** Sent whole; she gets this status and body, and what came beyond is nobody's. */
const more: ReadonlyArray<readonly [what: string, bytes: string, status: number, body: string]> = [
  ['two answers', `${ok}Content-Length: 2\r\n\r\nok${bait}`, 200, 'ok'],
  ['bytes behind a counted body', `${ok}Content-Length: 2\r\n\r\nokbait`, 200, 'ok'],
  ['bytes behind the last chunk', `${ok}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n${bait}`, 200, 'ok'],
  ['204 with a body', `HTTP/1.1 204 No Content\r\nContent-Length: ${bait.length}\r\n\r\n${bait}`, 204, ''],
  ['304 with a body', `HTTP/1.1 304 Not Modified\r\nContent-Length: ${bait.length}\r\n\r\n${bait}`, 304, ''],
  ['204 in chunks', `HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbait\r\n0\r\n\r\n`, 204, ''],
  ['a reason that is a script', 'HTTP/1.1 404 <script>bait</script>\r\nContent-Length: 2\r\n\r\nno', 404, 'no'],
]

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const world = useSharedApp({ mode })

  async function told(bytes: string, what: string) {
    const { tenants, app, text } = world()
    app.respond = (_head, socket) => socket.write(bytes, 'latin1') || true
    using connection = await openRaw(tenants.world.port)
    connection.send(text('asked'))
    const answer = await connection.answer()
    app.respond = undefined
    connection.send(text('next'))
    const next = await connection.answer()
    expect(next.body, what).toMatch(/^GET \S+next HTTP\/1\.1 alice$/)
    expect(JSON.stringify([answer, next]), what).not.toContain('bait')
    return answer
  }

  test.each(refused)('#72 %s is a 502, and bob’s next answer is his own', async (what, bytes) => {
    const { app, bobIsServed } = world()
    const before = app.heads.length
    const answer = await told(bytes, what)
    expect(answer).toMatchObject({ status: 502, interim: expect.any(Array) })
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'upstream_protocol' })
    await bobIsServed()
    const [spoilt, ...others] = app.heads.slice(before).map(({ connection }) => connection)
    expect(others).not.toContain(spoilt)
  })

  test.each(more)(
    '#72 %s: what is beyond it is nobody’s, and bob’s next answer is his own',
    async (what, bytes, status, body) => {
      const { app, bobIsServed } = world()
      const before = app.heads.length
      expect(await told(bytes, what)).toMatchObject({ status, body })
      await bobIsServed()
      const [spoilt, ...others] = app.heads.slice(before).map(({ connection }) => connection)
      if (what !== 'a reason that is a script') expect(others).not.toContain(spoilt)
    },
  )

  test('#72 an answer to nothing, sent to a connection that waits to be used again, ends it', async () => {
    const { tenants, app, text, bobIsServed } = world()
    let write: (() => void) | undefined
    app.respond = (_head, socket) => {
      socket.write(`${ok}Content-Length: 2\r\n\r\nok`)
      write = () => socket.write(bait)
      return true
    }
    expect((await tenants.ask(text('asked'))).body).toBe('ok')
    app.respond = undefined
    write?.()
    await tenants.world.until(() => app.open() === 0, 'its end')
    await bobIsServed()
  })

  test('#72 the body of an answer to HEAD is not the next answer', async () => {
    const { tenants, app, text, bobIsServed } = world()
    app.respond = (_head, socket) => socket.write(bait)
    using connection = await openRaw(tenants.world.port)
    connection.send(text('asked', { method: 'HEAD' }))
    expect(await connection.answer({ isHead: true })).toMatchObject({ status: 200 })
    app.respond = undefined
    connection.send(text('next'))
    expect((await connection.answer()).body).toMatch(/next HTTP\/1\.1 alice$/)
    await bobIsServed()
  })

  test.each([
    ['less than its length', `${ok}Content-Length: 100\r\n\r\npart`],
    ['chunks that do not end', `${ok}Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n`],
    ['a chunk of another size', `${ok}Transfer-Encoding: chunked\r\n\r\n4\r\npartXXXX\r\n0\r\n\r\n${bait}`],
    ['a chunk size that is none', `${ok}Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n0x4\r\nbait\r\n0\r\n\r\n`],
  ])('#72 %s: she sees that it broke off, and bob’s next answer is his own', async (_what, bytes) => {
    const { tenants, app, text, bobIsServed } = world()
    app.respond = (_head, socket) => {
      socket.end(bytes)
      return true
    }
    using connection = await openRaw(tenants.world.port)
    connection.send(text('asked'))
    await expect(connection.answer()).rejects.toThrow('closed without')
    expect(await connection.rest()).not.toContain('bait')
    app.respond = undefined
    await bobIsServed()
  })

  test('#72 hints go through as hints: no length of a body, and no cookie of ours', async () => {
    const { tenants, cookies, app, text, bobIsServed } = world()
    const [ours = ''] = cookies.alice.split('=', 1)
    const fields = ['Link: </a.css>; rel=preload', `Set-Cookie: ${ours}=bait; Path=/`, 'Content-Length: 9']
    const hints = `HTTP/1.1 103 Early Hints\r\n${fields.join('\r\n')}\r\n\r\n`
    app.respond = (_head, socket) => socket.write(`${hints}${ok}Content-Length: 2\r\n\r\nok`)
    using connection = await openRaw(tenants.world.port)
    connection.send(text('asked'))
    const hinted = await connection.bytes(60)
    expect(hinted).toMatch(/^HTTP\/1\.1 103 /)
    expect(hinted).not.toMatch(/bait|Content-Length: 9/)
    const answer = await connection.answer()
    app.respond = undefined
    expect(answer).toMatchObject({ status: 200, body: 'ok', interim: [103] })
    expect(headersOf(answer, 'set-cookie')).toEqual([])
    await settled()
    await bobIsServed()
  })
})
