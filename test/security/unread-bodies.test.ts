/** An app that answers without reading the body reads it as the next request (CL.0): nobody else's may go out on that connection, or get its answer. */
import { describe, expect, test } from 'vitest'
import { openRaw } from '#test/support/raw-http.ts'
import { useSharedApp } from '#test/support/shared-app.ts'
import { requestText, settled } from '#test/support/tenants.ts'

const methods = ['GET', 'HEAD', 'OPTIONS', 'DELETE', 'POST', 'PUT', 'PATCH', 'REPORT']

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const world = useSharedApp({ mode })

  const smuggled = () => {
    const { shared } = world()
    return `GET ${shared.prefix}bait HTTP/1.1\r\nHost: ${shared.authority}\r\nX-Forwarded-User: bob\r\n\r\n`
  }

  test.each(methods.flatMap((method) => [[method, 'a length'] as const, [method, 'chunks'] as const]))(
    '#70 the body of a %s with %s, which the app takes for a request: its answer is nobody’s',
    async (method, framing) => {
      const { tenants, app, text, bobIsServed } = world()
      const bait = smuggled()
      const body = framing === 'chunks' ? `${bait.length.toString(16)}\r\n${bait}\r\n0\r\n\r\n` : bait
      const fields = framing === 'chunks' ? ['Transfer-Encoding', 'chunked'] : ['Content-Length', String(bait.length)]
      const before = app.heads.length
      using connection = await openRaw(tenants.world.port)
      connection.send(text('first', { method, fields, body }))
      const answer = await connection.answer({ isHead: method === 'HEAD' })
      expect(answer).toMatchObject({ status: 200, interim: [] })
      expect(answer.body).not.toContain('bait')
      // On the same connection of hers the next answer is that of her next request.
      connection.send(text('second'))
      expect((await connection.answer()).body).toMatch(/^GET \S+second HTTP\/1\.1 alice$/)
      const carrying = app.heads.slice(before).find((head) => head.text.startsWith(method))?.connection
      expect(carrying).toBeDefined()
      await bobIsServed()
      const others = app.heads.slice(before).filter((head) => /^GET \S*(?:second|bob-\d+) /.test(head.text))
      expect(others).toHaveLength(2)
      expect(others.map((head) => head.connection)).not.toContain(carrying)
    },
  )

  test('#70 many at once: each gets his own', async () => {
    const { tenants, shared, cookies, app, text } = world()
    const bait = smuggled()
    const before = app.heads.length
    const ofAlice = (round: number) =>
      tenants.ask(text(`a${round}`, { method: 'POST', fields: ['Content-Length', String(bait.length)], body: bait }))
    const ofBob = (round: number) =>
      tenants.ask(requestText({ target: `${shared.prefix}b${round}`, host: shared.authority, cookie: cookies.bob }))
    for (let round = 0; round < 10; round += 1) {
      const rounds = Array.from({ length: 10 }, (_, index) => round * 10 + index)
      const answers = await Promise.all(rounds.flatMap((index) => [ofAlice(index), ofBob(index)]))
      expect(answers.map(({ body }) => body)).toEqual(
        rounds.flatMap((index) => [
          `POST ${shared.prefix}a${index} HTTP/1.1 alice`,
          `GET ${shared.prefix}b${index} HTTP/1.1 bob`,
        ]),
      )
    }
    await settled()
    // What bears his name by the gateway's word is his alone.
    const asBob = app.heads.slice(before).filter((head) => /\r\nX-Gatehouse-Assertion: /i.test(head.text))
    expect(asBob.filter((head) => head.text.includes('/bait'))).toEqual([])
  })
})
