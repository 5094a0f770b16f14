/**
 * What HTTP/2 lets a client ask for at next to no cost of its own, and requests that HTTP/1.1 could not have said. Raw frames on the real listener:
 * whoever overdoes it loses his connection, nobody else notices, and what is doubtful reaches no workspace.
 */
import { beforeAll, describe, expect, test } from 'vitest'
import { headersOf } from '#test/support/echo-app.ts'
import {
  answerOf,
  block,
  codes,
  type Field,
  type FrameConnection,
  flags,
  frame,
  headers,
  openGreeted,
  resetOf,
  settings,
  types,
  uint32,
} from '#test/support/http2-frames.ts'
import { goodGet, goodPost, useHttp2Tenants } from '#test/support/http2-tenants.ts'
import { blocked, settled } from '#test/support/tenants.ts'

const tenants = useHttp2Tenants()

let good: readonly Field[] = []
let post: readonly Field[] = []
beforeAll(() => {
  const { a } = tenants()
  good = goodGet(a)
  post = goodPost(a)
})

const change = (name: string, value: string): readonly Field[] =>
  good.map(([known, before]): Field => [known, known === name ? value : before])

/** Sends piece after piece until the other side has had enough; how many bytes it took. */
async function flood(connection: FrameConnection, pieces: (round: number) => Buffer, most: number): Promise<number> {
  let sent = 0
  for (let round = 0; round < most && !connection.isEnded(); round += 1) {
    const piece = pieces(round)
    sent += piece.length
    if (!connection.socket.write(piece)) await new Promise((resolve) => setTimeout(resolve, 1))
    if (round % 16 === 0) await new Promise(setImmediate)
  }
  return sent
}

const repeat = (count: number, one: (index: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, index) => one(index)))

describe('floods end their own connection', () => {
  const floods: readonly (readonly [
    name: string,
    begin: () => readonly Buffer[],
    piece: (round: number) => Buffer,
    mostBytes: number,
  ])[] = [
    [
      'streams opened and reset at once (CVE-2023-44487)',
      () => [],
      (round) =>
        repeat(50, (index) => {
          const stream = 2 * (50 * round + index) + 1
          return Buffer.concat([headers(stream, good), frame(types.reset, 0, stream, uint32(codes.cancel))])
        }),
      4_000_000,
    ],
    [
      'CONTINUATION without end (CVE-2024-27983)',
      () => [frame(types.headers, flags.endStream, 1, block(good))],
      () => repeat(20, () => frame(types.continuation, 0, 1, block([['x-more', 'x'.repeat(100)]]))),
      1_000_000,
    ],
    [
      'CONTINUATION that holds nothing',
      () => [frame(types.headers, flags.endStream, 1, block(good))],
      () => repeat(100, () => frame(types.continuation, 0, 1)),
      1_000_000,
    ],
    ['PING (CVE-2019-9512)', () => [], () => repeat(100, () => frame(types.ping, 0, 0, Buffer.alloc(8))), 1_000_000],
    ['SETTINGS (CVE-2019-9515)', () => [], () => repeat(100, () => settings([4, 65_535])), 1_000_000],
    [
      'DATA that holds nothing (CVE-2019-9518)',
      () => [headers(1, post, flags.endHeaders)],
      () => repeat(100, () => frame(types.data, 0, 1)),
      1_000_000,
    ],
    [
      'frames that break a rule',
      () => [],
      (round) => repeat(10, (index) => headers(2 * (10 * round + index) + 1, [['X', 'y'], ...good])),
      1_000_000,
    ],
  ]
  test.each(floods)('#76 %s', async (_name, begin, piece, mostBytes) => {
    const { world, a } = tenants()
    using other = await openGreeted(world.port)
    using connection = await openGreeted(world.port)
    connection.send(...begin())
    const sent = await flood(connection, piece, 20_000)
    await connection.ended()
    expect(sent).toBeLessThan(mostBytes)
    other.send(headers(1, good))
    expect(await other.until('an answer', (all) => answerOf(all, 1))).toBe(200)
    // Nothing that was begun for it goes on.
    await expect.poll(() => a.app.requests.length >= 0 && world.open.streams.count().get('http')).toBe(0)
  })

  test.each([
    ['PING', frame(types.ping, 0, 0, Buffer.alloc(8)), types.ping],
    ['SETTINGS', settings([4, 65_535]), types.settings],
  ])('#76 %s that is waited for, so that answers never pile up', async (_name, bytes, type) => {
    const { world } = tenants()
    using connection = await openGreeted(world.port)
    const acknowledged = () => connection.frames.filter((one) => one.type === type && one.flags === flags.ack).length
    const before = acknowledged()
    for (let round = 1; round <= 20 && !connection.isEnded(); round += 1) {
      connection.send(repeat(100, () => bytes))
      await connection
        .until('acknowledgements', () => (acknowledged() - before >= 100 * round ? true : undefined))
        .catch(() => undefined)
    }
    expect(await connection.ended()).toBe(codes.calm)
    expect(acknowledged() - before).toBeLessThan(1_100)
    await expect.poll(() => world.audit.at(-1)).toMatchObject({ event: 'deny', reason: 'http2_flood' })
  })

  test('#76 a head that unpacks to a hundred times its size', async () => {
    const { world, upstreamBytes } = tenants()
    const before = upstreamBytes()
    using connection = await openGreeted(world.port)
    // One field of 4,000 bytes goes into the table, and is then named by one byte each.
    const entry = Buffer.concat([
      Buffer.from([0x40, 1]),
      Buffer.from('x'),
      Buffer.from([0x7f, 0xa1, 0x1e]),
      Buffer.alloc(4_000, 'y'),
    ])
    const bomb = Buffer.concat([block(good), entry, Buffer.alloc(12_000, 0xbe)])
    connection.send(frame(types.headers, flags.endHeaders | flags.endStream, 1, bomb.subarray(0, 16_384)))
    const outcome = await connection.until('a refusal', (all) => resetOf(all, 1) ?? answerOf(all, 1))
    expect([codes.calm, 431]).toContain(outcome)
    await settled()
    expect(upstreamBytes() - before).toBe(0)
    connection.send(headers(3, good))
    expect(await connection.until('an answer', (all) => answerOf(all, 3))).toBe(200)
  })

  test('#76 a client that asks and never reads has its answers kept no further than its window', async () => {
    const { a, world } = tenants()
    let written = 0
    a.app.answer = (_request, response) => {
      const piece = Buffer.alloc(65_536)
      const fill = () => {
        do written += piece.length
        while (response.write(piece))
        response.once('drain', fill)
      }
      fill()
      return true
    }
    using connection = await openGreeted(world.port)
    connection.send(
      settings([4, 0]),
      repeat(20, (index) => headers(2 * index + 1, good)),
    )
    await connection.until('all heads', (all) =>
      all.filter(({ type }) => type === types.headers).length === 20 ? true : undefined,
    )
    let last = -1
    await expect
      .poll(
        () => {
          const isSteady = written === last
          last = written
          return isSteady
        },
        { interval: 200 },
      )
      .toBe(true)
    a.app.answer = undefined
    // Of each, what the sockets to the app hold and one piece or two.
    expect(written / 20).toBeLessThan(8_000_000)
    connection.socket.destroy()
    await expect.poll(() => world.open.streams.count().get('http')).toBe(0)
  })
})

describe('requests that HTTP/1.1 could not have said', () => {
  test('#76 a Host that is not the authority is refused; one that is the same is no second one', async () => {
    const { a, b, attack, world } = tenants()
    const ask = (fields: readonly Field[]) => async () => {
      using connection = await openGreeted(world.port)
      connection.send(headers(1, fields))
      return { status: await connection.until('an end', (all) => answerOf(all, 1) ?? resetOf(all, 1)) }
    }
    for (const host of [b.authority, 'evil.test', `${a.authority}0`]) {
      expect(await attack(ask([...good, ['host', host]])), host).toEqual(blocked(400, 'duplicate_field'))
    }
    // What is no host at all is no field for nghttp2, and left out; it names nobody else.
    const before = b.app.requests.length
    for (const host of [`${a.authority}, ${b.authority}`, '', `${b.authority} `, `x@${b.authority}`]) {
      const { status } = await ask([...good, ['host', host]])()
      expect([200, 400, codes.protocol], host).toContain(status)
    }
    expect(b.app.requests.length).toBe(before)
    for (const authority of [`${a.authority}, ${b.authority}`, `x@${a.authority}`, `${a.authority}/`]) {
      const outcome = await attack(async () => {
        using connection = await openGreeted(world.port)
        connection.send(headers(1, change(':authority', authority)))
        const status = await connection.until('an end', (all) => answerOf(all, 1) ?? resetOf(all, 1))
        return { status }
      })
      expect([codes.protocol, 400], authority).toContain(outcome.status)
      expect(outcome.upstreamBytes).toBe(0)
    }
    expect(await ask([...good, ['host', a.authority.toUpperCase()]])()).toEqual({ status: 200 })
    expect(await ask([...good.filter(([name]) => name !== ':authority'), ['host', a.authority]])()).toEqual({
      status: 200,
    })
    expect(await attack(ask(change(':authority', 'elsewhere.test')))).toEqual(blocked(421, 'foreign_host'))
  })

  test('#76 a field that would end its line, or begin another, never gets there', async () => {
    const { a, world } = tenants()
    const names = ['x y', 'x:y', 'x\r\nevil', 'x\0', 'x\t', '', 'x\x7f', 'x\xe9', '(x)']
    const values = [
      'a\r\nevil: 1',
      'a\nevil: 1',
      'a\revil',
      'a\0b',
      'a\x01b',
      'a\x7f',
      ' a',
      'a\t',
      'a\r\n\r\nGET /evil HTTP/1.1',
    ]
    const odd: readonly Field[] = [
      ...names.map((name): Field => [name, 'evil']),
      ...values.map((value): Field => ['x-odd', value]),
    ]
    for (const field of odd) {
      using connection = await openGreeted(world.port)
      const before = a.app.requests.length
      connection.send(headers(1, [...good, field]))
      const outcome = await connection.until('an end', (all) => resetOf(all, 1) ?? answerOf(all, 1))
      // nghttp2 leaves out what is no field, and what it lets through is looked at again.
      expect([codes.protocol, 200], JSON.stringify(field)).toContain(outcome)
      for (const { rawHeaders } of a.app.requests.slice(before)) {
        expect(rawHeaders.join('\n'), JSON.stringify(field)).not.toContain('evil')
        expect(headersOf({ rawHeaders }, 'x-odd')).toEqual([])
      }
    }
  })

  test('#76 an upload with a wrong length is at no app a whole one', async () => {
    const { a, world } = tenants()
    for (const [length, body] of [
      ['3', 'GET / HTTP/1.1\r\n\r\n'],
      ['50', 'short'],
    ] as const) {
      let outcome = 'not there'
      a.app.answer = (request) => {
        outcome = 'begun'
        request.once('end', () => {
          outcome = 'whole'
        })
        request.on('error', () => undefined).resume()
        return true
      }
      using connection = await openGreeted(world.port)
      connection.send(headers(1, [...post, ['content-length', length]], flags.endHeaders))
      connection.send(frame(types.data, flags.endStream, 1, Buffer.from(body)))
      await connection.until('an error', (all) => resetOf(all, 1) ?? all.find(({ type }) => type === types.goaway))
      await settled()
      expect(outcome, length).not.toBe('whole')
    }
    a.app.answer = undefined
  })

  test('#76 fields of ours, the connection and cookies are what they are by HTTP/1.1', async () => {
    const { a, world } = tenants()
    using connection = await openGreeted(world.port)
    connection.send(
      headers(
        1,
        [
          ...good,
          ...(['x-forwarded-user', 'x-gatehouse-assertion', 'x_forwarded_user', 'forwarded', 'expect'] as const).map(
            (name): Field => [name, name === 'expect' ? '' : 'evil'],
          ),
        ].filter(([name]) => name !== 'expect'),
      ),
    )
    expect(await connection.until('an answer', (all) => answerOf(all, 1))).toBe(200)
    const { rawHeaders = [] } = a.app.requests.at(-1) ?? {}
    expect(headersOf({ rawHeaders }, 'x-forwarded-user')).toEqual(['alice'])
    expect(rawHeaders).not.toContain('evil')
    expect(headersOf({ rawHeaders }, 'cookie')).toEqual([])
  })
})

describe('methods', () => {
  const ask = (fields: readonly Field[]) => async () => {
    using connection = await openGreeted(tenants().world.port)
    connection.send(headers(1, fields))
    const status = await connection.until('an end', (all) => answerOf(all, 1) ?? resetOf(all, 1))
    return { status }
  }

  test('#18 CONNECT is refused, whomever it names', async () => {
    const { a, b, attack } = tenants()
    for (const authority of [a.authority, '169.254.169.254:80', `127.0.0.1:${b.app.port}`, 'host:443']) {
      const fields: readonly Field[] = [
        [':method', 'CONNECT'],
        [':authority', authority],
        ['cookie', a.cookie],
      ]
      expect(await attack(ask(fields)), authority).toEqual(blocked(405, 'method_not_allowed'))
    }
    const extended = await attack(ask([[':method', 'CONNECT'], [':protocol', 'websocket'], ...good.slice(1)]))
    expect(extended).toMatchObject({ status: codes.protocol, upstreamBytes: 0 })
  })

  test('#18 so are TRACE, a star, and what is no method', async () => {
    const { attack } = tenants()
    expect(await attack(ask(change(':method', 'TRACE')))).toEqual(blocked(405, 'method_not_allowed'))
    for (const method of ['OPTIONS', 'GET']) {
      const star = change(':path', '*').map(([name, value]): Field => [name, name === ':method' ? method : value])
      const outcome = await attack(ask(star))
      expect([codes.protocol, 400], method).toContain(outcome.status)
      expect(outcome.upstreamBytes).toBe(0)
    }
    for (const method of ['get', 'FOO', 'G ET', 'GET / HTTP/1.1\r\nHost: evil', '']) {
      expect(await attack(ask(change(':method', method))), method).toMatchObject({
        status: codes.protocol,
        upstreamBytes: 0,
      })
    }
  })
})
