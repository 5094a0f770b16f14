import { expect, test } from 'vitest'
import { fakeClock } from '#test/support/fake-clock.ts'
import { openRaw } from '#test/support/raw-http.ts'
import { createWorld } from '#test/support/world.ts'

test('a stranger whose body does not come is not waited for longer than for a head', async () => {
  const clock = fakeClock(Date.now())
  await using world = await createWorld({ clock })
  const { host, port } = new URL(world.origin)
  const head = (fields: string) => `POST /.gatehouse/cli/token HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n\r\n`
  using half = await openRaw(Number(port))
  half.send(`${head('Content-Type: application/json\r\nContent-Length: 100')}{"code":`)
  using chunked = await openRaw(Number(port))
  chunked.send(`${head('Content-Type: application/json\r\nTransfer-Encoding: chunked')}5\r\n{"cod\r\n`)
  using whole = await openRaw(Number(port))
  whole.send(`${head('Content-Type: application/json\r\nContent-Length: 2')}{}`)
  expect((await whole.answer()).status).toBe(400)
  await clock.advance(14_999)
  expect([half.socket.closed, chunked.socket.closed]).toEqual([false, false])
  await clock.advance(1)
  expect(await half.rest()).toBe('')
  expect(await chunked.rest()).toBe('')
  whole.send(`GET /.gatehouse/jwks.json HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  expect((await whole.answer()).status).toBe(200)
})
