/** Answers that come little by little reach a client of HTTP/2 little by little, as they do one of HTTP/1.1, and hold up nothing beside them. */
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { openHttp2Client } from '#test/support/http2-client.ts'
import { useHttp2Tenants } from '#test/support/http2-tenants.ts'

const tenants = useHttp2Tenants()

/** Of the app, to what is asked for under `/watched`. */
function watchedAnswer(): Promise<ServerResponse> {
  const { app } = tenants().a
  return new Promise((resolve) => {
    app.answer = ({ url }, response) => {
      if (!url?.includes('/watched')) return false
      resolve(response)
      return true
    }
  })
}

test.each(['text/event-stream', 'text/plain', 'application/x-ndjson'])(
  'as %s: the head comes before the body, each piece before the next, and others are answered in between',
  async (type) => {
    const { a, world } = tenants()
    using client = await openHttp2Client(`http://127.0.0.1:${world.port}`)
    const asked = { ':authority': a.authority, cookie: a.cookie }
    const answer = watchedAnswer()
    const stream = client.open({ ...asked, ':path': '/watched' })
    const head = once(stream, 'response')
    const response = await answer
    // A long poll: whoever waits for it holds up nobody.
    expect(await client.ask({ ...asked, ':path': '/x' })).toMatchObject({ status: 200 })
    response.writeHead(200, { 'Content-Type': type }).flushHeaders()
    expect((await head)[0]).toMatchObject({ ':status': 200, 'content-type': type })
    for (const text of ['data: 1\n\n', ': comment\n\n', 'x', 'data: 2\n\n']) {
      response.write(text)
      expect(String((await once(stream, 'data'))[0])).toBe(text)
      expect(await client.ask({ ...asked, ':path': '/x' })).toMatchObject({ status: 200 })
    }
    response.end()
    await once(stream.resume(), 'end')
    a.app.answer = undefined
  },
)
