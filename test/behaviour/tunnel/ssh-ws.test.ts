/** Upstream's `…/ssh-ws`, by a client that knows WebSockets and nothing of ours, as `websocat --binary` is. */
import { expect, test } from 'vitest'
import { tcpApp, tunnelScene } from '#test/support/tunnel-scene.ts'

test.each(['host', 'path'] as const)(
  'in %s mode a plain client with a bearer is joined with the port of SSH, bytes alone',
  async (mode) => {
    await using app = await tcpApp((socket) => {
      socket.write('SSH-2.0-test\r\n')
      socket.on('data', (bytes: Buffer) => {
        if (bytes.includes('bye')) socket.end('see you')
        else socket.write(bytes)
      })
    })
    await using scene = await tunnelScene({ app, mode })
    const { world } = scene
    const bearer = await scene.bearer('alice')
    const url = `${world.url(scene.ref)}ssh-ws`
    const plain = { url, protocols: [] }
    using tunnel = await scene.open(bearer, plain)
    expect(tunnel.ws.protocol).toBe('')
    await world.until(() => tunnel.received().toString() === 'SSH-2.0-test\r\n', 'the server has spoken first')
    // It has no word for an end of one direction, so an empty message is none.
    tunnel.ws.send(Buffer.alloc(0))
    tunnel.ws.send(Buffer.from('hello'))
    await world.until(() => tunnel.received().toString().endsWith('hello'), 'it came back')
    tunnel.ws.send(Buffer.from('bye'))
    expect(await tunnel.closed).toMatchObject({ code: 1000, reason: 'done' })
    expect([tunnel.received().toString().endsWith('see you'), tunnel.hasEnded(), tunnel.texts]).toEqual([
      true,
      false,
      [],
    ])

    using other = await scene.open(bearer, plain)
    other.ws.send('text')
    expect(await other.closed).toMatchObject({ code: 1003 })
    const alice = await world.as('alice')
    await alice.open(url.replace(/ssh-ws$/, ''))
    const Cookie = alice.cookieHeader(url) ?? ''
    expect(await scene.refused({ ...plain, headers: { Cookie } })).toMatchObject({ status: 401 })
    expect(await scene.refused({ ...plain, bearer, headers: { Origin: new URL(url).origin } })).toMatchObject({
      status: 403,
    })
    expect(await scene.refused({ ...plain, bearer: await scene.bearer('bob') })).toMatchObject({ status: 403 })
    const closed = world.audit.filter(({ event }) => event === 'stream-closed')
    expect(closed.map((event) => ('kind' in event ? event.kind : undefined))).toEqual(['tunnel', 'tunnel'])
  },
)
