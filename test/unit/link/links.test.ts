import { expect, test } from 'vitest'
import { writeFrame } from '#link/frames.ts'
import { GatewayEnd } from '#link/gateway-end.ts'
import { linkCodes } from '#link/link-socket.ts'
import { type HeldLink, Links } from '#link/links.ts'

const away = { code: linkCodes.restarting, reason: 'gateway restarting' }

/** Takes its time to close, as one whose other end says nothing. */
function heldLink(size: number) {
  const closings: string[] = []
  const link: HeldLink = {
    end: { size, hasRoom: true, isGone: false, open: () => Promise.reject(new Error('closing')) },
    close: ({ reason }) => void closings.push(reason),
  }
  return { link, closings }
}

test('nobody is led to a link that was told to close, however long it takes', async () => {
  const links = new Links()
  const [one, other] = [heldLink(1), heldLink(0)]
  links.add('a', one.link)
  links.add('b', other.link)
  links.close(away, 'a')
  expect([links.has('a'), links.has('b')]).toEqual([false, true])
  await expect(links.open('a', 8888, new AbortController().signal)).rejects.toMatchObject({
    cause: { code: 'ENOLINK' },
  })
  links.close(away)
  links.close(away)
  expect([links.size, one.closings.length, other.closings.length]).toEqual([0, 1, 1])
})

test('of several links those on which there is nothing can be closed alone', () => {
  const links = new Links()
  const [busy, idle] = [heldLink(1), heldLink(0)]
  links.add('a', busy.link)
  links.add('a', idle.link)
  links.closeIdle(away)
  expect([links.size, busy.closings.length, idle.closings.length]).toEqual([1, 0, 1])
})

test('a link that goes before its port was reached is no word about the port: another one is asked', async () => {
  const links = new Links()
  const wire = { isFull: false, send: () => undefined }
  const [one, other] = [new GatewayEnd(wire), new GatewayEnd(wire)]
  for (const end of [one, other]) links.add('a', { end, close: () => undefined })
  const opening = links.open('a', 8888, new AbortController().signal)
  one.onGone()
  await expect.poll(() => other.size).toBe(1)
  other.receive(writeFrame({ kind: 'opened', id: 1 }))
  const stream = await opening
  expect([one.size, other.size]).toEqual([0, 1])
  stream.destroy()
  const last = links.open('a', 8888, new AbortController().signal)
  other.onGone()
  await expect(last).rejects.toMatchObject({ code: 'upstream_unreachable' })
})
