import { once } from 'node:events'
import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { openInnerDoor } from '#server/inner-door.ts'

test('a request through the inner door is answered like any other, and comes from this machine', async () => {
  const connect = openInnerDoor(
    {
      request: ({ method, url, headers }, response, { peer }) =>
        void response.end(`${method} ${url} at ${headers.host} from ${peer}`),
    },
    new AbortController().signal,
  )
  const asked = request({ path: '/somewhere', headers: { host: 'a.test' }, createConnection: () => connect() }).end()
  const [answer] = await once(asked, 'response')
  expect(await text(answer)).toBe('GET /somewhere at a.test from 127.0.0.1')
})

test('what is open through the inner door ends with the signal, and nobody enters any more', async () => {
  const ending = new AbortController()
  const connect = openInnerDoor({ request: () => undefined }, ending.signal)
  const stream = connect()
  const asked = request({ createConnection: () => stream }).end()
  await once(asked, 'finish')
  ending.abort()
  await expect(once(asked, 'response')).rejects.toThrow()
  expect(() => connect()).toThrow('abort')
})
