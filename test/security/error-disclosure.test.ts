/** What a refusal gives away: of the request, of the inside of the cluster, of what there is (CVE-2022-24757). */
import { describe, expect, test } from 'vitest'
import type { Page, ScriptedBrowser } from '#test/support/browser-session.ts'
import { type EchoApp, headersOf } from '#test/support/echo-app.ts'
import { openRaw, type RawAnswer } from '#test/support/raw-http.ts'
import { type RequestText, requestText, useTenants, websocketFields } from '#test/support/tenants.ts'

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })
  const canary = 'c4n4ry'

  test('#33 no error shows anything of the request or of the way to the app, and no log shows a secret', async () => {
    const { a, b, alice, ask, attack, upstreamBytes, world } = tenants()
    const { authority: host, prefix } = a
    const before = world.lines.length
    const html = [
      'Accept',
      'text/html',
      'Sec-Fetch-Mode',
      'navigate',
      'Sec-Fetch-Dest',
      'document',
      'Sec-Fetch-Site',
      'none',
    ]
    const secret = [
      'Authorization',
      `Bearer ${canary}-token`,
      'X-Token',
      `${canary}-header`,
      'User-Agent',
      `${canary}-agent`,
    ]
    const cookie = `${a.cookie}; own=${canary}-cookie`
    const target = `${prefix}${canary}-path?token=${canary}-query`
    const answers: RawAnswer[] = []
    for (const bytes of brokenAnswers) {
      answerWith(a.app, bytes)
      for (const fields of [
        secret,
        [...secret, ...html],
        [...secret, ...websocketFields, 'Origin', `http://${host}`],
      ]) {
        const answer = await ask(requestText({ target, host, cookie, fields }))
        expect([502, 503, 504]).toContain(answer.status)
        answers.push(answer)
      }
    }
    a.app.answer = undefined
    a.app.answerUpgrade = undefined
    await alice.open(b.url)
    const there = { target: b.prefix, host: b.authority, cookie: alice.cookieHeader(b.url) ?? '' }
    const refused = [
      requestText({ ...there, fields: secret }),
      requestText({ ...there, fields: [...secret, ...html] }),
      requestText({ target, host, fields: secret }),
      requestText({ target, host, fields: [...secret, ...websocketFields] }),
      requestText({ method: 'TRACE', target, host, cookie, fields: secret }),
      requestText({ target, host: `${canary}.evil.test`, cookie, fields: secret }),
      requestText({ target, host, cookie, fields: [...secret, ...secret] }),
      requestText({ target: `${target}#`, host, cookie, fields: [...secret, ...html] }),
      requestText({ target: b.prefix, host: b.authority, cookie: a.cookie, fields: secret }),
      requestText({ target: `/.gatehouse/${canary}?x=${canary}`, host, cookie, fields: secret }),
      requestText({
        target: `/.gatehouse/${canary}?x=${canary}`,
        host: `localhost:${world.port}`,
        cookie,
        fields: [...secret, ...html],
      }),
      requestText({
        target: `/.gatehouse/callback?code=${canary}&state=${canary}`,
        host: `localhost:${world.port}`,
        cookie,
        fields: secret,
      }),
      `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nX: ${canary}\rx\r\n\r\n`,
    ]
    const arrived = upstreamBytes()
    for (const request of refused) {
      const answer = await ask(request)
      expect(answer.status).toBeGreaterThanOrEqual(400)
      answers.push(answer)
    }
    expect(upstreamBytes()).toBe(arrived)
    const values = a.cookie.split('; ').map((pair) => pair.replace(/^[^=]*=/, ''))
    const shown = answers.map(({ body, rawHeaders }) => `${rawHeaders.join('\n')}\n${body}`).join('\n')
    for (const text of [canary, ...values, String(a.app.port)]) expect(shown).not.toContain(text)
    expect(shown).not.toMatch(/127\.0\.0\.1|ECONN|EPIPE|node:|\/src\/|\.ts\b|\bat .*:\d+|Error:/)
    expect((await attack(requestText({ target: prefix, host, cookie }))).status).toBe(200)
    const logged = world.lines.slice(before).join('')
    expect(logged).not.toMatch(new RegExp(`${canary}-(?:token|header|cookie|query|agent)`))
    for (const value of values) expect(logged).not.toContain(value)
  })

  test('#33 [JK6.2] an unknown namespace, an unknown name and a forbidden workspace are one and the same: status, body and time', async () => {
    const { bob, world, ask } = tenants()
    const places = await placesFor(
      bob,
      strangers.map((ref) => world.url(ref, undefined)),
    )
    for (const kindOf of kinds) {
      const answers: RawAnswer[] = []
      for (const { host, prefix, cookie } of places) {
        answers.push(await ask(requestText({ target: `${prefix}x`, host, cookie, ...kindOf(host) })))
      }
      expect(answers.map(({ status }) => status)).toEqual([403, 403, 403])
      expect(new Set(answers.map(withoutItsOwn)).size).toBe(1)
    }
    for (const path of ['open/', 'share/', 'api/v1/workspaces/']) {
      const pages: Page[] = []
      for (const { namespace, name } of strangers) {
        pages.push(await bob.navigate(`${world.origin}/.gatehouse/${path}${namespace}/${name}`))
      }
      expect(pages.map(({ status }) => status)).toEqual([404, 404, 404])
      expect(new Set(pages.map(bodyWithoutItsOwn)).size).toBe(1)
    }
    const medians = await mediansOf(world.port, places)
    expect(Math.max(...medians) / Math.min(...medians)).toBeLessThan(3)
  })
})

interface Place {
  readonly host: string
  readonly prefix: string
  readonly cookie: string
}

/** Alice's, one of a name that nobody has, and one in a namespace that nobody has. */
const strangers = [
  { namespace: 'team', name: 'a' },
  { namespace: 'team', name: 'z' },
  { namespace: 'maet', name: 'a' },
]

const kinds: readonly ((host: string) => Partial<RequestText>)[] = [
  () => ({}),
  () => ({ fields: ['Accept', 'text/html', 'Sec-Fetch-Mode', 'navigate', 'Sec-Fetch-Dest', 'document'] }),
  (host) => ({ method: 'POST', fields: ['Origin', `http://${host}`] }),
  (host) => ({ fields: [...websocketFields, 'Origin', `http://${host}`] }),
]

/** Where somebody has been, logged in, and was refused. */
async function placesFor(visitor: ScriptedBrowser, urls: readonly string[]): Promise<readonly Place[]> {
  const places: Place[] = []
  for (const url of urls) {
    expect((await visitor.open(url)).status).toBe(403)
    const { host, pathname: prefix } = new URL(url)
    places.push({ host, prefix, cookie: visitor.cookieHeader(url) ?? '' })
  }
  return places
}

const brokenAnswers = [
  'not HTTP at all',
  'HTTP/1.1 101 Switching Protocols\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx',
  '',
]

function answerWith(app: EchoApp, bytes: string): void {
  app.answer = (_request, response) => {
    response.socket?.end(bytes)
    return true
  }
  app.answerUpgrade = (_request, socket) => {
    socket.end(bytes)
    return true
  }
}

/** Of the times that answers took, one from each place in turn, in milliseconds. */
async function mediansOf(port: number, places: readonly Place[]): Promise<readonly number[]> {
  using connection = await openRaw(port)
  const times: number[][] = places.map(() => [])
  for (let round = 0; round < 150; round += 1) {
    for (const [index, { host, prefix, cookie }] of places.entries()) {
      const start = performance.now()
      connection.send(requestText({ target: `${prefix}x`, host, cookie }))
      await connection.answer()
      times[index]?.push(performance.now() - start)
    }
  }
  return times.map((list) => list.toSorted((one, other) => one - other)[list.length >> 1] ?? 0)
}

function bodyWithoutItsOwn({ body, headers }: Page): string {
  const requestId = String(headers['x-request-id'])
  return body.replaceAll(requestId, '').replace(/nonce="[^"]*"/g, 'nonce')
}

/** Everything of an answer but its date, its request id and its nonce. */
function withoutItsOwn(answer: RawAnswer): string {
  const [requestId = ''] = headersOf(answer, 'x-request-id')
  expect(requestId).not.toBe('')
  const fields = answer.rawHeaders.filter((_, index) => {
    const name = answer.rawHeaders[index - (index % 2)]?.toLowerCase()
    return name !== 'date' && name !== 'x-request-id'
  })
  const text = JSON.stringify({ status: answer.status, fields, body: answer.body })
  return text.replaceAll(requestId, '').replace(/nonce(=\\"|-)[^\\"' ]+/g, 'nonce')
}
