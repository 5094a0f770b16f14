import fc from 'fast-check'
import { expect, test } from 'vitest'
import { InflaterPool } from '#activity/inflater.ts'
import { kernelProtocol } from '#activity/kernel-message.ts'
import type { AppProfile } from '#activity/profile.ts'
import { SocketActivity, type SocketSight } from '#activity/socket-activity.ts'
import { frameBytes } from '#test/support/websocket-frames.ts'

const kernel = '/api/kernels/0-1/channels?session_id=s'

function frame(data: string | Buffer, { mask = true, isCompressed = false } = {}): Buffer {
  const opcode = typeof data === 'string' ? 1 : 2
  return frameBytes({ opcode, isCompressed, payload: Buffer.from(data), mask: mask ? 0x01_fe_7f_80 : undefined })
}

function watch(profile: AppProfile, path: string): { readonly seen: SocketSight[]; readonly activity: SocketActivity } {
  const seen: SocketSight[] = []
  const listener = { inflaters: new InflaterPool(), seen: (one: SocketSight) => void seen.push(one), closed() {} }
  return { seen, activity: new SocketActivity({ profile, path, protocol: undefined }, listener) }
}

const ping = Buffer.from([0x89, 0x80, 1, 2, 3, 4])
const serverPing = Buffer.from([0x89, 0x00])
const execute = JSON.stringify({ header: { msg_type: 'execute_request' }, content: {} })
const busy = JSON.stringify({ header: { msg_type: 'status' }, content: { execution_state: 'busy' } })

test('pings both ways say nothing at all', () => {
  for (const profile of ['jupyterlab', 'code-editor', 'generic'] as const) {
    const { seen, activity } = watch(profile, kernel)
    for (let count = 0; count < 10; count++) {
      activity.observe('client', ping)
      activity.observe('upstream', serverPing)
    }
    expect(seen).toEqual([])
  }
})

test('cells that are run and kernels that work are seen, byte by byte as well as at once', () => {
  for (const size of [1, 7, 10_000]) {
    const { seen, activity } = watch('jupyterlab', kernel)
    const sent = frame(execute)
    const answered = frame(busy, { mask: false })
    for (let at = 0; at < sent.length; at += size) activity.observe('client', sent.subarray(at, at + size))
    for (let at = 0; at < answered.length; at += size) activity.observe('upstream', answered.subarray(at, at + size))
    expect(seen.map(({ class: is, source }) => [is, source])).toEqual([
      ['interactive', 'kernel:execute_request'],
      ['busy', 'kernel:busy'],
    ])
  }
})

test.each([
  ['/terminals/websocket/1', '["stdin","ls"]', 'interactive'],
  ['/terminals/websocket/1', '["set_size",24,80,1,1]', 'background'],
  ['/api/collaboration/room/json:notebook:1?sessionId=2', Buffer.from([0, 2, 1, 1]), 'interactive'],
  ['/api/collaboration/room/json:notebook:1', Buffer.from([0, 0, 1]), 'background'],
  ['/api/collaboration/room/json:notebook:1', Buffer.from([1, 9, 9]), 'background'],
  ['/api/collaboration/room/json:notebook:1', Buffer.from([7]), 'unknown'],
  ['/lsp/ws/pylsp', '{"jsonrpc":"2.0","method":"textDocument/didChange"}', 'interactive'],
  ['/lsp/ws/pylsp', '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}', 'background'],
  ['/lsp/ws/pylsp', '{"jsonrpc":"2.0","id":1,"result":null}', 'background'],
  ['/api/events/subscribe', 'anything', 'background'],
  ['/another/socket', 'anything', 'unknown'],
] as const)('jupyterlab: %s says %s: %s', (path, data, is) => {
  const { seen, activity } = watch('jupyterlab', path)
  activity.observe('client', frame(data))
  expect(seen.map((one) => one.class)).toEqual([is])
})

test('what a server says in any other socket is nobody’s doing', () => {
  for (const path of ['/lsp/ws/pylsp', '/another/socket', '/api/collaboration/room/x']) {
    const { seen, activity } = watch('jupyterlab', path)
    activity.observe('upstream', frame('anything', { mask: false }))
    expect(seen).toEqual([])
  }
})

test('messages of a socket of which nothing is looked at are counted alike, however they come', () => {
  const messages = ['', 'x', 'x'.repeat(125), 'x'.repeat(126), 'x'.repeat(65_535), 'x'.repeat(65_536)].map((data) =>
    frame(data),
  )
  const bytes = Buffer.concat([...messages, ping, ...messages])
  const at = (size: number) => {
    const { seen, activity } = watch('generic', '/ws')
    if (size === 0) for (const one of [...messages, ping, ...messages]) activity.observe('client', one)
    else
      for (let from = 0; from < bytes.length; from += size)
        activity.observe('client', bytes.subarray(from, from + size))
    return seen.map(({ source }) => source)
  }
  for (const size of [0, 1, 3, 1_000, bytes.length])
    expect(at(size)).toEqual(messages.flatMap(() => Array(2).fill('socket:message')))
})

test('of a socket of which nothing is looked at it is known all the same what is compressed, goes on, or is no frame', () => {
  const { seen, activity } = watch('generic', '/ws')
  activity.observe('client', frame('abcd', { isCompressed: true }))
  const begun = frame('abcd')
  begun[0] = 0x01
  const end = frame('efgh')
  end[0] = 0x80
  for (const part of [begun, ping, end]) activity.observe('client', part)
  const strange = frame('abcd')
  strange[0] = 0x83
  for (const part of [strange, frame('abcd')]) activity.observe('client', part)
  expect(seen.map(({ source }) => source)).toEqual(['socket:compressed', 'socket:message', 'socket:bytes'])
})

test('a compressed message and bytes that are no frames count as unknown', () => {
  const { seen, activity } = watch('jupyterlab', kernel)
  activity.observe('client', frame(execute, { isCompressed: true }))
  activity.observe('client', Buffer.from([0x83, 0, 1]))
  activity.observe('client', Buffer.from('more'))
  expect(seen).toEqual([
    { class: 'unknown', source: 'socket:compressed' },
    { class: 'unknown', source: 'socket:bytes' },
  ])
})

test('no bytes of either side, in frames or not, do more than to be told', () => {
  const payload = fc.uint8Array({ maxLength: 200 })
  const table = fc.array(fc.nat(300), { minLength: 3, maxLength: 8 }).map((offsets) => {
    const bytes = Buffer.alloc(8 * offsets.length)
    for (const [index, offset] of offsets.entries()) bytes.writeUInt32LE(offset, 8 * index)
    return bytes
  })
  const framed = fc
    .record({ opcode: fc.constantFrom(1, 2, 8, 9, 10), payload: fc.oneof(payload, table), mask: fc.nat(0xffff_ffff) })
    .map((one) => frameBytes(one))
  const paths = [
    kernel,
    '/terminals/websocket/1',
    '/lsp/ws/x',
    '/api/collaboration/room/x',
    '/?reconnectionToken=1',
    '/?skipWebSocketFrames=true',
  ]
  fc.assert(
    fc.property(
      fc.constantFrom('jupyterlab', 'code-editor', 'streamlit', 'generic' as const),
      fc.constantFrom(...paths),
      fc.constantFrom(undefined, kernelProtocol),
      fc.array(fc.tuple(fc.constantFrom('client', 'upstream' as const), fc.oneof(framed, framed, payload)), {
        maxLength: 10,
      }),
      (profile, path, protocol, chunks) => {
        const listener = { inflaters: new InflaterPool(), seen() {}, closed() {} }
        const activity = new SocketActivity({ profile, path, protocol }, listener)
        for (const [from, bytes] of chunks) {
          const chunk = Buffer.from(bytes)
          activity.observe(from, chunk)
          expect(chunk.equals(Buffer.from(bytes))).toBe(true)
        }
        activity.end()
        expect(listener.inflaters.lent).toBe(0)
      },
    ),
    { numRuns: 500 },
  )
})
