/** A server that says what nobody asked for, at the one moment at which somebody is about to ask. */
import { duplexPair } from 'node:stream'
import { expect, test } from 'vitest'
import type { GatewayError } from '#errors.ts'
import { endToEnd, fieldLines } from '#http/end-to-end.ts'
import { ownFields } from '#http/own-fields.ts'
import { systemClock } from '#lib/clock.ts'
import { KeepAliveClient } from '#proxy/keep-alive-client.ts'
import type { ResponseListener } from '#proxy/upstream-client.ts'

const answerOf = (body: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`

test('bytes that come before a request was sent are no answer to it: it is asked again on another connection', async () => {
  const ending = new AbortController()
  const client = new KeepAliveClient({ clock: systemClock, signal: ending.signal })
  const asked: string[][] = []
  const servers: ReturnType<typeof duplexPair>[0][] = []
  const upstream = {
    key: 'app',
    async dial() {
      const [ours, theirs] = duplexPair()
      const heard: string[] = []
      asked.push(heard)
      servers.push(theirs)
      theirs.on('data', (bytes: Buffer) => {
        heard.push(bytes.toString('latin1'))
        theirs.write(answerOf(`of connection ${asked.length}`))
      })
      return ours
    },
  }
  const ask = (target: string) => {
    const bodies: string[] = []
    const answered = new Promise<string>((resolve, reject) => {
      const nothing = () => undefined
      const listener: ResponseListener = {
        ...{ onReady: nothing, onDrain: nothing, onInterim: nothing, onHead: nothing, onSwitch: nothing },
        ...{ onLull: nothing, onEnd: nothing },
        onBody(piece, isLast) {
          bodies.push(piece.toString())
          if (isLast) resolve(bodies.join(''))
        },
        onFailure: (error: GatewayError) => reject(error),
      }
      const request = {
        method: 'GET',
        target,
        lines: fieldLines(endToEnd([])),
        own: ownFields([]),
        framing: { kind: 'none' },
      } as const
      client.start(upstream, { ...request, acceptsTrailers: false, expectsContinue: false, isUpgrade: false }, listener)
    })
    return answered
  }
  expect(await ask('/first')).toBe('of connection 1')
  const second = ask('/second')
  servers[0]?.write(answerOf('of nobody'))
  expect(await second).toBe('of connection 2')
  // It was never asked on the one that spoke too early.
  expect(asked.map((heard) => heard.length)).toEqual([1, 1])
  ending.abort()
})
