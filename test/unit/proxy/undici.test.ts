/** The tests of the proxy, with undici behind the interface of its client: what they say, they say of any client that keeps to it. */
import { afterAll, beforeEach, expect, vi } from 'vitest'

vi.mock('#proxy/keep-alive-client.ts', async () => {
  const { UndiciClient } = await import('./undici-client.ts')
  return { KeepAliveClient: UndiciClient }
})

/** By the beginnings of their titles: why undici is not what serves. */
const beyondUndici: readonly (readonly [string, string])[] = [
  ['reaches the upstream with its target', 'it writes Host before all other fields'],
  ['is asked for with names and values', 'it writes Host before all other fields'],
  ['passes its trailers on', 'it sends no trailers'],
  ['100 comes from the upstream', 'it sends no Expect'],
  ['a refusal comes without 100', 'it sends no Expect'],
  ['come before the answer', 'it tells of some interim answers only'],
  ['a flood of them is 502', 'it counts no interim answers'],
  ['101 to a request that was no upgrade', 'it calls that a broken connection'],
  ['no Upgrade', 'it calls that a broken connection'],
  ['no Connection', 'it calls that a broken connection'],
  ['another Connection', 'it calls that a broken connection'],
  ['a client that leaves while the connection is made', 'its dialling belongs to no request'],
  ['an upstream that breaks off an answer to the end', 'it takes a reset for an end'],
  ['of 2,000 handshakes', 'it is slow at them, and they are about descriptors of ours'],
]

const met = new Set<string>()

beforeEach(({ skip, task }) => {
  const [title, reason] = beyondUndici.find(([beginning]) => task.name.startsWith(beginning)) ?? []
  if (title !== undefined) met.add(title)
  skip(reason !== undefined, reason)
})

// Each stands for a test that there is: nothing is left out that nobody knows of.
afterAll(() => expect([...met].sort()).toEqual(beyondUndici.map(([title]) => title).sort()))

await import('./forward.test.ts')
await import('./upgrade.test.ts')
