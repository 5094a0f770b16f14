/** Upgrades that upstreams answer like plain requests once cost a socket each, until there were none left (configurable-http-proxy #388, #557). */
import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { openTenants, requestText, websocketFields } from '#test/support/tenants.ts'

const times = 200

test.each([
  [404, 'HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone'],
  [200, 'HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nopen\r\n0\r\n\r\n'],
])('#61 hundreds of upgrades that are answered with %i leave no descriptor open', async (status, bytes) => {
  await using tenants = await openTenants()
  const { a, ask, world } = tenants
  const { cookie, authority: host, prefix: target } = a
  a.app.answerUpgrade = (_request, socket) => {
    socket.resume().once('end', () => socket.end())
    socket.write(bytes)
    return true
  }
  const upgrade = requestText({ target, host, cookie, fields: [...websocketFields, 'Origin', `http://${host}`] })
  const descriptors = () => readdirSync('/proc/self/fd').length
  expect((await ask(upgrade)).status).toBe(status)
  const before = descriptors()
  for (let round = 0; round < times / 20; round += 1) {
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(upgrade)))
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([status]))
  }
  await world.until(() => descriptors() <= before + 4, 'the descriptors')
  expect(world.open.streams.all().reduce((sum, group) => sum + group.size, 0)).toBe(0)
})
