/** First lines that are none, or another protocol's: answered with an error, and nothing behind them is a request. */
import { describe, expect, test } from 'vitest'
import { openRaw } from '#test/support/raw-http.ts'
import { requestText, useTenants } from '#test/support/tenants.ts'

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  const lines: ReadonlyArray<readonly [what: string, line: (target: string) => string]> = [
    ['HTTP/2.0', (target) => `GET ${target} HTTP/2.0`],
    ['HTTP/1.2', (target) => `GET ${target} HTTP/1.2`],
    ['HTTP/1.10', (target) => `GET ${target} HTTP/1.10`],
    ['HTTP/01.1', (target) => `GET ${target} HTTP/01.1`],
    ['HTTP/0.9', (target) => `GET ${target} HTTP/0.9`],
    ['HTTP/3', (target) => `GET ${target} HTTP/3`],
    ['http/1.1', (target) => `GET ${target} http/1.1`],
    ['HTTPS/1.1', (target) => `GET ${target} HTTPS/1.1`],
    ['HTTP/1,1', (target) => `GET ${target} HTTP/1,1`],
    ...['DESCRIBE', 'SETUP', 'PLAY', 'GET_PARAMETER', 'SET_PARAMETER', 'REDIRECT', 'FLUSH'].map(
      (method) => [`${method} of RTSP`, (target: string) => `${method} ${target} RTSP/1.0`] as const,
    ),
    ['RTSP of another version', (target) => `GET ${target} RTSP/2.0`],
    ['GET of ICE', (target) => `GET ${target} ICE/1.0`],
    ['no version, as in HTTP/0.9', (target) => `GET ${target}`],
    ['no target', () => 'GET HTTP/1.1'],
    ['an empty target', () => 'GET  HTTP/1.1'],
    ['no space before the version', (target) => `GET ${target}HTTP/1.1`],
    ['a method in lower case', (target) => `get ${target} HTTP/1.1`],
    ['an unknown method', (target) => `HACK ${target} HTTP/1.1`],
    ['a method of 10 KB', (target) => `${'G'.repeat(10_000)} ${target} HTTP/1.1`],
    ['a tab for a space', (target) => `GET\t${target} HTTP/1.1`],
    ['a space in front', (target) => ` GET ${target} HTTP/1.1`],
    ['a space behind', (target) => `GET ${target} HTTP/1.1 `],
    ['a space within the target', (target) => `GET ${target}a b HTTP/1.1`],
    ['a tab within the target', (target) => `GET ${target}a\tb HTTP/1.1`],
    ['a NUL within the target', (target) => `GET ${target}\u0000 HTTP/1.1`],
    ['a NUL within the method', (target) => `G\u0000ET ${target} HTTP/1.1`],
    ['a NUL in front', (target) => `\u0000GET ${target} HTTP/1.1`],
    ['DEL within the target', (target) => `GET ${target}\u007f HTTP/1.1`],
    ['a byte above ASCII within the target', (target) => `GET ${target}\u00e9 HTTP/1.1`],
    ['a byte order mark in front', (target) => `\u00ef\u00bb\u00bfGET ${target} HTTP/1.1`],
    ['a carriage return within the line', (target) => `GET ${target}\rX HTTP/1.1`],
    ['an answer', () => 'HTTP/1.1 200 OK'],
    ['a header first', () => 'Host: x'],
    ['a TLS hello', () => '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003'],
    ['a PROXY header', () => 'PROXY TCP4 127.0.0.1 127.0.0.1 1 2'],
  ]

  test.each(lines)('#74 %s: an error, the connection ends, and nothing reaches an app', async (_what, line) => {
    const { a, world, attack } = tenants()
    const { cookie, authority: host, prefix } = a
    const outcome = await attack(async () => {
      using connection = await openRaw(world.port)
      const behind = requestText({ target: `${prefix}smuggled`, host, cookie })
      connection.send(`${line(prefix)}\r\nHost: ${host}\r\nCookie: ${cookie}\r\n\r\n${behind}`)
      const answer = await connection.answer()
      expect(await connection.rest()).toBe('')
      return answer
    })
    expect([400, 405, 414, 431, 501, 505]).toContain(outcome.status)
    expect(outcome).toMatchObject({ upstreamBytes: 0, reasons: [expect.any(String)] })
  })

  test('#74 what Node’s parser reads as a plain request is one, and reaches the app in the one spelling that there is', async () => {
    const { a, attack, world } = tenants()
    const { cookie, authority: host, prefix } = a
    const rest = `\r\nHost: ${host}\r\nConnection: close\r\n`
    for (const line of [`GET   ${prefix} HTTP/1.1`, `GET ${prefix} RTSP/1.0`, `GET ${prefix} RTSP/1.1`]) {
      const refused = { status: 401, reasons: ['login-needed:none'], upstreamBytes: 0 }
      const act = async () => {
        using connection = await openRaw(world.port)
        connection.send(`${line}${rest}\r\n`)
        await connection.rest()
        return connection.answer()
      }
      expect(await attack(act), line).toEqual(refused)
      const seen = a.app.requests.length
      using connection = await openRaw(world.port)
      connection.send(`${line}${rest}Cookie: ${cookie}\r\n\r\n`)
      await connection.rest()
      expect(a.app.requests.slice(seen)).toMatchObject([{ method: 'GET', url: prefix }])
    }
  })

  test('#74 a line that ends in a line feed alone, or fields that do', async () => {
    const { a, attack } = tenants()
    const { cookie, authority: host, prefix } = a
    const rest = `Host: ${host}\r\nCookie: ${cookie}\r\n`
    for (const bytes of [
      `GET ${prefix} HTTP/1.1\n${rest}\r\n`,
      `GET ${prefix} HTTP/1.1\r\nHost: ${host}\nCookie: ${cookie}\r\n\r\n`,
      `GET ${prefix} HTTP/1.1\r\n${rest}\n`,
      `GET ${prefix} HTTP/1.1\r\n${rest}X: y\n\n`,
      `GET ${prefix} HTTP/1.1\r${rest}\r\n`,
    ]) {
      const outcome = await attack(bytes)
      expect([400, 505], bytes).toContain(outcome.status)
      expect(outcome.upstreamBytes).toBe(0)
    }
  })

  test('#74 a flood of empty lines before a request is not one request after another, and costs nobody else anything', async () => {
    const { a, ask, attack, world } = tenants()
    const { cookie, authority: host, prefix: target } = a
    // RFC 9112 section 2.2 asks servers to pass over an empty line.
    expect((await ask(`\r\n${requestText({ target, host, cookie })}`)).status).toBe(200)
    const outcome = await attack(async () => {
      using connection = await openRaw(world.port)
      for (let round = 0; round < 64; round += 1) connection.send('\r\n'.repeat(8192))
      connection.send(requestText({ target, host }))
      return await connection.answer()
    })
    expect([400, 401, 431]).toContain(outcome.status)
    expect(outcome.upstreamBytes).toBe(0)
    expect((await ask(requestText({ target, host, cookie }))).status).toBe(200)
  })
})
