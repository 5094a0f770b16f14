import { describe, expect, test } from 'vitest'
import type { Sight } from '#activity/sight.ts'
import { SshActivity } from '#activity/ssh-activity.ts'
import { fakeClock } from '#test/support/fake-clock.ts'

function world() {
  const clock = fakeClock()
  const seen: Sight[] = []
  const activity = new SshActivity(clock, (one) => void seen.push(one))
  return { clock, activity, seen, classes: () => seen.map(({ class: is }) => is) }
}

describe('what a client says in step with itself is a program that is alive', () => {
  test.each([
    ['VS Code at rest: 52 bytes every 5 s', [[52, 5_000]]],
    [
      'two connections of VS Code beside each other',
      [
        [52, 5_000],
        [52, 5_000],
      ],
    ],
    [
      'its sign of life, and its answer to the server’s',
      [
        [52, 5_000],
        [44, 5_000],
      ],
    ],
    ['OpenSSH with ServerAliveInterval 30', [[64, 30_000]]],
  ] as const)('%s', async (_what, hearts) => {
    const { clock, activity, classes } = world()
    const moments = hearts
      .flatMap(([size, every], heart) =>
        Array.from({ length: 40 }, (_, beat) => ({ size, at: beat * every + heart * 1_700 + ((beat * 7919) % 300) })),
      )
      .toSorted((a, b) => a.at - b.at)
    let now = 0
    for (const { size, at } of moments) {
      await clock.advance(at - now)
      now = at
      activity.fromClient(size)
    }
    // Until its rhythm is known, it may be anything; it is never somebody.
    expect(classes().filter((is) => is === 'interactive')).toEqual([])
    expect(classes().length).toBeLessThanOrEqual(8 * hearts.length)
  })
})

test('several small messages within seconds are somebody who types, amid whatever beats', async () => {
  const { clock, activity, seen } = world()
  for (let beat = 0; beat < 10; beat += 1) {
    activity.fromClient(52)
    await clock.advance(5_000)
  }
  seen.length = 0
  for (const pause of [180, 240, 90, 400, 150]) {
    activity.fromClient(36)
    await clock.advance(pause)
  }
  expect(seen.at(-1)).toEqual({ class: 'interactive', source: 'ssh:input' })
})

test('a single message that fits nothing can’t be told, and much that passes is work', async () => {
  const { activity, seen } = world()
  activity.fromClient(36)
  activity.fromClient(4_000)
  expect(seen).toEqual([
    { class: 'unknown', source: 'ssh:message' },
    { class: 'unknown', source: 'ssh:message' },
  ])
  seen.length = 0
  activity.fromServer(900_000)
  activity.look()
  expect(seen).toEqual([])
  activity.fromServer(1_100_000)
  activity.look()
  expect(seen).toEqual([{ class: 'busy', source: 'ssh:transfer' }])
})
