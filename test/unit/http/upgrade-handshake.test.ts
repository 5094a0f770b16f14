import { describe, expect, test } from 'vitest'
import { readRequestHead } from '#http/request-head.ts'
import { readHandshake } from '#http/upgrade-handshake.ts'

const good = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-version': '13',
}

function handshake(change: Readonly<Record<string, string | undefined>> = {}, method = 'GET', httpVersion = '1.1') {
  const fields = Object.entries({ host: 'a', ...good, ...change }).filter(
    (field): field is [string, string] => field[1] !== undefined,
  )
  const head = readRequestHead(fields.flat(), { httpVersion })
  if (head.kind === 'problem') throw new Error(head.fault)
  return readHandshake(method, head)
}

describe('readHandshake', () => {
  test('the handshake of RFC 6455 is a WebSocket, whatever the case of its tokens', () => {
    expect(handshake()).toEqual({ kind: 'websocket' })
    expect(handshake({ connection: 'keep-alive, UPGRADE', upgrade: 'WebSocket', 'content-length': '0' })).toEqual({
      kind: 'websocket',
    })
  })

  test('an upgrade by POST is refused', () => {
    expect(handshake({}, 'POST')).toEqual({ kind: 'problem', fault: 'method', status: 400 })
  })

  test.each([
    ['with a body', { 'content-length': '5' }, 'body', 400],
    ['with a chunked body', { 'transfer-encoding': 'chunked' }, 'body', 400],
    ['to h2c', { upgrade: 'h2c', 'http2-settings': 'AAMAAABkAARAAAAAAAIAAAAA' }, 'protocol', 426],
    ['to either of two protocols', { upgrade: 'websocket, h2c' }, 'protocol', 426],
    ['to nothing', { upgrade: undefined }, 'protocol', 426],
    ['that Connection does not name', { connection: 'keep-alive' }, 'protocol', 426],
    ['of version 12', { 'sec-websocket-version': '12' }, 'version', 426],
    ['of no version', { 'sec-websocket-version': undefined }, 'version', 426],
    ['of two versions', { 'sec-websocket-version': '13, 8' }, 'version', 426],
    ['without a key', { 'sec-websocket-key': undefined }, 'key', 400],
    ['with a short key', { 'sec-websocket-key': 'dGhlIHNhbXBsZQ==' }, 'key', 400],
    ['with bits beyond the 16 bytes of its key', { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZR==' }, 'key', 400],
    ['with something else for a key', { 'sec-websocket-key': '************************' }, 'key', 400],
  ] as const)('an upgrade %s is refused', (_how, change, fault, status) => {
    expect(handshake(change)).toEqual({ kind: 'problem', fault, status })
  })

  test('HTTP/1.0 has no upgrade', () => {
    expect(handshake({}, 'GET', '1.0')).toEqual({ kind: 'problem', fault: 'http_version', status: 400 })
  })
})
