/** A refusal before anything is routed, in the form that its reader wants. */
import { expect, test } from 'vitest'
import { headersOf } from '#test/support/echo-app.ts'
import { askRaw } from '#test/support/raw-http.ts'
import { requestText, websocketFields } from '#test/support/tenants.ts'
import { createWorld } from '#test/support/world.ts'

const navigation = ['Sec-Fetch-Mode', 'navigate', 'Sec-Fetch-Dest', 'document', 'Accept', 'text/html']
const oldNavigation = ['Accept', 'text/html,application/xhtml+xml']
const script = ['Sec-Fetch-Mode', 'cors', 'Sec-Fetch-Dest', 'empty', 'Accept', 'text/html']

test('an address that is not served is told to people as a page that leads to the console, to programs as a problem', async () => {
  await using world = await createWorld()
  const { port, origin } = world
  const refusals = [
    { host: `127.0.0.1:${port}`, target: '/', status: 421, code: 'foreign_host' },
    { host: `nothing.localhost:${port}`, target: '/', status: 404, code: 'not_found' },
    { host: `localhost:${port}`, target: `/${'x'.repeat(12_000)}`, status: 414, code: 'target_too_long' },
    { host: `localhost:${port}`, target: '/a#b', status: 400, code: 'target_fragment' },
  ]
  for (const { host, target, status, code } of refusals) {
    const ask = (fields: readonly string[], method = 'GET') =>
      askRaw(port, requestText({ method, target, host, fields }))
    for (const fields of [navigation, oldNavigation]) {
      const page = await ask(fields)
      const [id = 'none'] = headersOf(page, 'x-request-id')
      expect([page.status, headersOf(page, 'content-type')]).toEqual([status, ['text/html; charset=utf-8']])
      expect(page.body).toContain(`<code>${code}</code>`)
      expect(page.body).toContain(`<code>${id}</code>`)
      expect(page.body).toContain(`href="${origin}/"`)
      expect(page.body).not.toContain(host === `localhost:${port}` ? target : host)
    }
    for (const fields of [[], script, [...websocketFields, ...navigation]]) {
      const answer = await ask(fields)
      expect([answer.status, headersOf(answer, 'content-type')]).toEqual([status, ['application/problem+json']])
      const [requestId] = headersOf(answer, 'x-request-id')
      expect(JSON.parse(answer.body)).toMatchObject({ status, code, requestId })
    }
    expect(headersOf(await ask(navigation, 'POST'), 'content-type')).toEqual(['application/problem+json'])
  }
})
