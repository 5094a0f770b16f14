import { createHash } from 'node:crypto'
import { request } from 'node:http'
import { describe, expect, test } from 'vitest'
import { Intake, type IntakeUser } from '#proxy/intake.ts'
import { Landing, landingSize } from '#proxy/landing.ts'
import { createProxy, httpUpstream } from './proxy-world.ts'

/** A connection that keeps all it gets, and is amid a body of so many bytes. */
class Connection implements IntakeUser {
  due: number
  readonly intake: Intake
  readonly kept: Buffer[] = []
  readonly waiting: (() => void)[] = []
  freed = 0
  faults = 0
  isBroken = false

  constructor(landing: Landing, due: number) {
    this.due = due
    this.intake = new Intake(landing)
    this.intake.use(this)
  }

  onBytes(bytes: Buffer): void {
    this.due -= bytes.length
    this.kept.push(this.intake.kept(bytes))
    this.waiting.push(this.intake.written)
    if (this.isBroken) throw new Error('of this connection alone')
  }

  onFault(): void {
    this.faults += 1
    this.intake.end()
  }

  onFree(): void {
    this.freed += 1
  }

  /** As a socket does. `false`: it reads no further. */
  reads(count: number, byte: number): boolean {
    this.intake.buffer().fill(byte, 0, count)
    return this.intake.callback(count)
  }

  writes(): void {
    for (const written of this.waiting.splice(0)) written()
  }
}

const large = 10_000_000

/** Amid a large body, with a buffer of its own. */
function amidLarge(landing: Landing): Connection {
  const connection = new Connection(landing, large)
  expect(connection.reads(landingSize, 0)).toBe(true)
  connection.writes()
  return connection
}

describe('what an upstream sends', () => {
  test('is out of the common buffer before anybody else reads into it', () => {
    const landing = new Landing()
    const [one, other] = [new Connection(landing, 100), new Connection(landing, 100)]
    one.reads(10, 1)
    other.reads(10, 2)
    expect(one.kept).toEqual([Buffer.alloc(10, 1)])
    expect(other.kept).toEqual([Buffer.alloc(10, 2)])
  })

  test('of a large body has a buffer of its own, which is read into again when all of it is written', () => {
    const connection = amidLarge(new Landing())
    const { buffer } = connection.intake
    expect(buffer().length).toBeGreaterThan(landingSize)
    expect(connection.reads(200_000, 1)).toBe(false)
    expect(connection.intake.isWaiting).toBe(true)
    connection.writes()
    expect(connection).toMatchObject({ freed: 1, intake: { isWaiting: false } })
    expect(connection.reads(200_000, 2)).toBe(false)
  })

  test('is in nobody else’s buffer, also when its connection has gone on to another answer before it is written', () => {
    const landing = new Landing()
    const connection = amidLarge(landing)
    connection.due = 100_000
    const own = connection.intake.buffer()
    expect(connection.reads(100_000, 1)).toBe(true)
    expect(connection.intake.buffer()).toBe(landing.common)
    const other = amidLarge(landing)
    expect(other.intake.buffer()).not.toBe(own)
    other.reads(200_000, 2)
    expect(connection.kept.at(-1)).toEqual(Buffer.alloc(100_000, 1))
    connection.writes()
    expect(connection.freed).toBe(0)
    expect(amidLarge(landing).intake.buffer()).toBe(own)
  })

  test('that is never written is in a buffer that is never used again', () => {
    const landing = new Landing()
    const connection = amidLarge(landing)
    const own = connection.intake.buffer()
    connection.reads(200_000, 1)
    connection.intake.end()
    expect(amidLarge(landing).intake.buffer()).not.toBe(own)
  })

  test('slowly, a little at a time, needs no buffer of its own', () => {
    const landing = new Landing()
    const connection = amidLarge(landing)
    for (let reads = 0; reads < 8; reads += 1) {
      connection.reads(100, 1)
      connection.writes()
    }
    expect(connection.intake.buffer()).toBe(landing.common)
  })

  test('is read in small steps where very many do so at once', () => {
    const landing = new Landing()
    const all = Array.from({ length: 70 }, () => amidLarge(landing))
    const own = all.filter(({ intake }) => intake.buffer() !== landing.common)
    expect(own).toHaveLength(64)
    own[0]?.intake.end()
    expect(amidLarge(landing).intake.buffer()).not.toBe(landing.common)
  })

  test('and makes its reader throw is the last of it, and its buffer is nobody’s before it is written', () => {
    const landing = new Landing()
    const connection = amidLarge(landing)
    const own = connection.intake.buffer()
    connection.isBroken = true
    expect(() => connection.reads(200_000, 1)).toThrow('of this connection alone')
    expect(connection.faults).toBe(1)
    expect(connection.intake.buffer()).toBe(landing.common)
    const [piece] = connection.kept.slice(-1)
    expect(amidLarge(landing).intake.buffer()).not.toBe(own)
    expect(piece).toEqual(Buffer.alloc(200_000, 1))
    // What comes by another way is kept as it is.
    expect(connection.intake.kept(own)).toBe(own)
    expect(connection.reads(10, 2)).toBe(false)
    connection.writes()
    expect(amidLarge(landing).intake.buffer()).toBe(own)
  })

  test('before anybody asked is not taken for an answer', () => {
    const intake = new Intake(new Landing())
    expect(intake.callback(10)).toBe(false)
    expect(intake.isSoiled).toBe(true)
  })
})

test('large answers to many at once are each their own to the last byte, whoever reads slowly, stops or leaves', async () => {
  const length = 3_000_000
  const bodyOf = (url = '') =>
    Buffer.from(url.padEnd(50, '.'))
      .toString()
      .repeat(length / 50)
  await using upstream = await httpUpstream((request, response) => {
    const body = bodyOf(request.url)
    if (request.url?.startsWith('/length')) response.setHeader('content-length', length)
    if (request.url?.startsWith('/close')) response.setHeader('connection', 'close')
    for (let at = 0; at < length; at += 750_000) response.write(body.slice(at, at + 750_000))
    response.end()
  })
  await using proxy = await createProxy({ upstreamPort: upstream.port })
  const hash = (text: string) => createHash('sha256').update(text).digest('hex')
  const download = (path: string, at: number) =>
    new Promise<string>((resolve, reject) => {
      const hashing = createHash('sha256')
      const call = request({ port: proxy.port, path, agent: false }, (answer) => {
        let got = 0
        answer.on('data', (piece: Buffer) => {
          hashing.update(piece)
          got += piece.length
          // One in five leaves in the middle.
          if (at % 5 === 4 && got > length / 2) call.destroy()
          if (at % 2 === 0) return
          answer.pause()
          setTimeout(() => answer.resume(), 3)
        })
        answer.once('end', () => resolve(hashing.digest('hex')))
        answer.once('close', () => resolve('left'))
      })
      call.once('error', reject)
      call.end()
    })
  for (let round = 0; round < 3; round += 1) {
    const paths = Array.from({ length: 30 }, (_, at) => `/${['length', 'chunked', 'close'][at % 3]}/${round}/${at}`)
    const found = await Promise.all(paths.map(download))
    expect(found).toEqual(paths.map((path, at) => (at % 5 === 4 ? 'left' : hash(bodyOf(path)))))
  }
})
