/** A person's own pod takes nothing, and he sends it a byte at a time, each among much that says nothing: what the gateway holds for him is bounded. */
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { streamWindow } from '#link/frames.ts'
import { agentScene } from '#test/support/agent-scene.ts'
import { askTunnel, logIn } from '#test/support/tunnel-scene.ts'

const patience = { timeout: 15_000 }
const mebibyte = 1024 ** 2
/** Bytes that the attack comes to where nothing holds it back. */
const most = 128 * mebibyte
/** What the gateway takes of it, and the buffers of the kernel on both ends. */
const mostTaken = 48 * mebibyte
const pieceSize = 65_536

/** A frame as a client sends it, whose mask changes nothing. */
function frame(first: number, payload: Buffer): Buffer {
  const head = Buffer.from([first, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
  head.writeUInt32BE(payload.length, 6)
  if (payload.length > 65_535) return Buffer.concat([head, payload])
  return Buffer.concat([Buffer.from([first, 0x80 | payload.length, 0, 0, 0, 0]), payload])
}

test('#158 frames of one byte with ballast between them, to a pod that takes nothing, are held back after some megabytes, and get there when it does', async () => {
  await using scene = await agentScene()
  const link = await scene.link(await scene.token())
  if (typeof link === 'number') throw new Error(`refused with ${link}`)
  using _ = link
  let id = 0
  let taken = 0
  let crumbs = 0
  link.ws.on('message', () => {
    const heard = link.heard.at(-1)
    if (heard?.kind === 'open') {
      if (heard.port === scene.ssh.port) id = heard.id
      link.say({ kind: 'opened', id: heard.id })
    } else if (heard?.kind === 'data' && heard.id === id) {
      taken += heard.bytes.length
      crumbs += heard.bytes.filter((byte) => byte === 0x78).length
    }
  })
  await expect.poll(() => scene.isReady(), patience).toBe(true)
  const socket = connect({ port: scene.world.port, host: '127.0.0.1' })
  const bearer = await logIn(scene.world, 'alice')
  const tunnel = await askTunnel(scene.world, scene.ref, { bearer, ws: { createConnection: () => socket } })
  if (tunnel.kind === 'refused') throw new Error(`refused with ${tunnel.status}`)
  using _tunnel = tunnel
  for (let sent = 0; sent < streamWindow; sent += pieceSize) socket.write(frame(0x82, Buffer.alloc(pieceSize)))
  await expect.poll(() => taken, patience).toBe(streamWindow)

  const pong = frame(0x8a, Buffer.alloc(125))
  const ballast = Array.from({ length: Math.floor(pieceSize / pong.length) }, () => pong)
  const piece = Buffer.concat([frame(0x82, Buffer.from('x')), ...ballast])
  let sent = 0
  const send = () => {
    while (sent < most) {
      sent += piece.length
      if (!socket.write(piece)) return
    }
  }
  socket.on('drain', send)
  send()
  let last = -1
  await expect
    .poll(
      () => {
        const isStill = sent === last
        last = sent
        return isStill
      },
      { ...patience, interval: 500 },
    )
    .toBe(true)
  expect(sent).toBeLessThan(mostTaken)
  expect(tunnel.ws.readyState).toBe(tunnel.ws.OPEN)
  link.say({ kind: 'credit', id, bytes: streamWindow })
  await expect.poll(() => sent, patience).toBeGreaterThanOrEqual(most)
  const all = Math.ceil(most / piece.length)
  await expect.poll(() => crumbs, patience).toBe(all)
  expect(taken).toBe(streamWindow + all)
}, 60_000)
