import { expect, test } from 'vitest'
import { leaveLinks } from '#compose/agents.ts'
import { type HeldLink, Links } from '#link/links.ts'
import { StreamIndex } from '#live/streams.ts'
import { fakeClock } from '#test/support/fake-clock.ts'

function heldLink(size: number) {
  let isClosed = false
  const link: HeldLink = {
    end: { size, hasRoom: true, isGone: false, open: () => Promise.reject(new Error('nobody asks')) },
    close() {
      isClosed = true
    },
  }
  return { link, isClosed: () => isClosed }
}

test('a replica that ends takes no asks of others, and waits for as long as something moves on what they have open', async () => {
  const clock = fakeClock()
  const links = new Links()
  const [busy, idle] = [heldLink(1), heldLink(0)]
  links.add('pod', busy.link)
  links.add('pod', idle.link)
  let moving = 1
  let hasLeft = false
  const peers = {
    leave() {
      hasLeft = true
    },
    busy: () => moving,
  }
  let isWaitedFor = true
  using leaving = leaveLinks({ links, peers }, new StreamIndex(), clock)
  void leaving.peersLeft.then(() => {
    isWaitedFor = false
  })
  expect(hasLeft).toBe(true)
  await clock.advance(20_000)
  // Its agent comes to another replica by the one, while what is on the other goes on.
  expect([busy.isClosed(), idle.isClosed(), isWaitedFor]).toEqual([false, true, true])
  moving = 0
  await clock.advance(100)
  expect([busy.isClosed(), isWaitedFor, links.size]).toEqual([true, false, 0])
})

test('where there are no others nobody is waited for', async () => {
  const clock = fakeClock()
  using leaving = leaveLinks({ links: new Links() }, new StreamIndex(), clock)
  await leaving.peersLeft
})
