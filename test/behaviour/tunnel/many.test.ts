/** `GATEHOUSE_SHORT_TUNNELS=1000` for the whole of it. */
import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { oneTimeKind } from '#identity/one-time-record.ts'
import { tunnelScene } from '#test/support/tunnel-scene.ts'

const count = Number(process.env.GATEHOUSE_SHORT_TUNNELS ?? 150)

test('tunnels that come and go by the hundred leave nothing behind: no descriptor, no place, no stream', async () => {
  await using scene = await tunnelScene()
  const { world } = scene
  const bearer = await scene.bearer('alice')
  const one = async (way: 'properly' | 'without a word') => {
    using tunnel = await scene.open(bearer)
    tunnel.ws.send(Buffer.from('SSH-2.0-short\r\n'))
    await world.until(() => tunnel.received().length > 0, 'it is through')
    if (way === 'properly') tunnel.ws.send(Buffer.alloc(0))
    else tunnel.ws.terminate()
    await tunnel.closed
  }
  const places = async () => {
    const { items } = await world.resources.list(oneTimeKind, { namespace: 'gatehouse' })
    return items.filter(({ spec }) => spec.purpose === 'slot').length
  }
  const settled = () =>
    world.until(async () => scene.app.connections.size === 0 && (await places()) === 0, 'all is given back')
  for (let warm = 0; warm < 8; warm += 1) await one('properly')
  await settled()
  const descriptors = () => readdirSync('/proc/self/fd').length
  const before = descriptors()
  for (let begun = 0; begun < count; begun += 5) {
    const ways = ['properly', 'without a word', 'properly', 'without a word', 'properly'] as const
    await Promise.all(ways.map(one))
  }
  await settled()
  await expect.poll(descriptors).toBeLessThanOrEqual(before + 4)
  expect(await world.figure('gatehouse_streams', 'kind="tunnel"')).toBe(0)
})
