/** What it may cost to see who works, as far as it does not depend on the machine. */
import { describe, expect, test } from 'vitest'
import { ActivityRecorder } from '#activity/recorder.ts'
import { systemClock } from '#lib/clock.ts'
import { writesPerSecond } from '#test/bench/activity-writes.ts'
import { keptFor, restingSockets } from '#test/bench/resting-sockets.ts'

describe('of a WebSocket that is silent', () => {
  const recorder = new ActivityRecorder({ clock: systemClock })
  const onlooker = recorder.onlookerOf({ namespace: 'team', name: 'nb', uid: 'u1' }, 'alice')

  test.each([...restingSockets])('64 bytes are kept at most: %s', (_, socket) => {
    // Compiled code is on the heap as well, whenever the engine makes it.
    const [, , median] = [1, 2, 3, 4, 5].map(() => keptFor(socket, onlooker)).sort((a, b) => a - b)
    expect(median).toBeLessThanOrEqual(64)
  })
})

test('three replicas at which everybody works in 250 workspaces of an hour of timeout write less than 12.5 times a second, as for 5,000 they would less than 250 times', async () => {
  const { rate } = await writesPerSecond({ workspaces: 250, replicas: 3, minutes: 5 })
  expect(rate).toBeLessThan(12.5)
  // All of them, once a minute or so.
  expect(rate).toBeGreaterThan(11)
}, 60_000)
