/** The look into a workspace's image, at gateways that mean ill. */
import { Duplex } from 'node:stream'
import { expect, test } from 'vitest'
import type { PersonIo } from '#cli/client/person-io.ts'
import { checkImage } from '#cli/ssh/image-check.ts'
import { placesOf } from '#cli/ssh/places.ts'
import type { SshTarget } from '#cli/ssh/target.ts'
import { acceptKey } from '#http/accept-key.ts'
import { systemClock } from '#lib/clock.ts'
import { Secret } from '#settings/secret.ts'
import { frameHead } from '#tunnel/frame-head.ts'
import { frameKinds } from '#tunnel/frame-reader.ts'
import { tunnelProtocol } from '#tunnel/protocol.ts'

const payload = Buffer.alloc(125, 'x')
const greeting = Buffer.from('SSH-2.0-x\r\n')

/** Opens the tunnel, asks so many times whether somebody is there, and reads no answer. `kept`: bytes that wait for it when the client leaves. */
function deafGateway(pings: number): { readonly connection: Duplex; readonly kept: () => number } {
  let asked = ''
  let kept = 0
  const connection = new Duplex({
    read() {},
    write(bytes: Buffer, _encoding, done) {
      if (asked.includes('\r\n\r\n')) return
      asked += bytes
      done()
      if (!asked.endsWith('\r\n\r\n')) return
      const [, key = ''] = /^sec-websocket-key: (\S+)/im.exec(asked) ?? []
      const head = ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket']
      const own = [`Sec-WebSocket-Accept: ${acceptKey(key)}`, `Sec-WebSocket-Protocol: ${tunnelProtocol}`]
      this.push([...head, ...own, '', ''].join('\r\n'))
      const ping = Buffer.concat([frameHead(frameKinds.ping, payload.length, 0), payload])
      this.push(Buffer.concat(Array.from({ length: pings }, () => ping)))
      this.push(Buffer.concat([frameHead(frameKinds.binary, greeting.length, 0), greeting]))
    },
    destroy(error, done) {
      kept = this.writableLength
      done(error)
    },
  })
  return { connection, kept: () => kept }
}

test('however often a gateway asks that reads no answer, no more than two wait for it', async () => {
  const { connection, kept } = deafGateway(20_000)
  const unused = () => {
    throw new Error('this is nothing that it needs')
  }
  const io: PersonIo = {
    ...{ stdout: { write: unused }, stderr: { write: unused }, env: {}, platform: 'linux', homeFolder: '/h' },
    ...{ machine: 'm', program: unused, cwd: unused, clock: systemClock, signal: new AbortController().signal },
    ...{ readLine: unused, pipe: unused, openBrowser: unused },
  }
  const deployment = { name: 'prod', url: 'http://127.0.0.1:1' }
  const target: SshTarget = {
    client: {
      ...{ deployment, username: 'alice', session: 's', secret: new Secret('gatehouse_x') },
      ...{ get: unused, post: unused, send: unused, stream: unused, dial: async () => connection },
    },
    ref: { namespace: 'team', name: 'nb' },
    alias: 'nb.team.prod.gatehouse',
    block: { name: 'prod', sshName: 'prod', user: 'workspace', places: placesOf(io, deployment) },
    config: '/c',
  }
  const probes = { platform: 'linux', release: '', environment: {}, run: async () => undefined, read: unused }
  const { findings } = await checkImage(io, probes, target, 'ssh-remote')
  expect(findings[0]).toMatchObject({ check: 'sshd', verdict: 'ok', found: 'SSH-2.0-x' })
  expect(kept()).toBeLessThan(3 * (payload.length + 8))
})
