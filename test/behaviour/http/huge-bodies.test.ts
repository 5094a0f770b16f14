/** Bodies of any size pass in the memory of a few pieces, in either direction. `npm run huge` sends 10 GB each way, which says what it took. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { headersOf } from '#test/support/echo-app.ts'
import { freePort } from '#test/support/free-port.ts'
import { askRaw, openRaw, type RawAnswer } from '#test/support/raw-http.ts'
import { listening, type Pinned, pinned, residentKb } from '../../bench/measure.ts'
import { PatternCheck, sendPattern } from './pattern.ts'

const size = Number(process.env.GATEHOUSE_HUGE_BYTES ?? 300_000_000)
/** What a body may add to the gateway's memory: buffers on their way, and garbage of them that is not collected yet. */
const mostGrowthKb = 96 * 1024
/** Of a machine that does other things as well. */
const timeout = 60_000 + size / 10_000

const opened = new AsyncDisposableStack()
let gateway: Pinned
let to: { readonly port: number; readonly headers: Readonly<Record<string, string>> }

beforeAll(async () => {
  const [port, appPort] = [await freePort(), await freePort()]
  const file = (name: string) => fileURLToPath(new URL(name, import.meta.url))
  opened.use(await pinned(undefined, process.execPath, [file('./huge-app.ts'), String(appPort)]))
  await listening(appPort)
  const args = [file('../../bench/contenders/gatehouse.ts'), String(port), String(appPort)]
  gateway = opened.use(await pinned(undefined, process.execPath, args))
  while (!gateway.stdout.join('').includes('\n')) await sleep(50)
  const { host, cookie } = JSON.parse(gateway.stdout.join(''))
  await listening(port)
  to = { port, headers: { Host: host, Cookie: cookie, Origin: `http://${host}` } }
  // What any request makes it allocate once.
  for (let count = 0; count < 3; count += 1) await exchange('POST', '/pattern', 20_000_000)
})
afterAll(() => opened.disposeAsync())

function send(method: string, path: string, fields: Readonly<Record<string, string>> = {}): ClientRequest {
  return request({ ...{ host: '127.0.0.1', method, path, agent: false }, ...to, headers: { ...to.headers, ...fields } })
}

/** Sends so many bytes of the pattern, and returns what came back as text. */
async function exchange(method: string, path: string, count: number, fields = {}): Promise<string> {
  const call = send(method, path, fields)
  const answered: Promise<IncomingMessage[]> = once(call, 'response')
  await sendPattern(call, count)
  call.end()
  const [answer] = await answered
  expect(answer?.statusCode).toBe(200)
  let text = ''
  for await (const piece of answer ?? []) text += piece
  return text
}

/** How much larger the gateway was at any time meanwhile, in KB. */
async function grownKb(work: () => Promise<unknown>, what: string): Promise<number> {
  const before = await residentKb(gateway.pid)
  const began = performance.now()
  let most = before
  let isOver = false
  const watching = (async () => {
    while (!isOver) {
      most = Math.max(most, await residentKb(gateway.pid))
      await sleep(100)
    }
  })()
  try {
    await work()
  } finally {
    isOver = true
    await watching
  }
  const seconds = (performance.now() - began) / 1_000
  const rate = `${(size / 1e6 / seconds).toFixed(0)} MB/s`
  process.stdout.write(
    `${what}: ${size / 1e9} GB in ${seconds.toFixed(1)} s, ${rate}; gateway ${before} KB, at most ${most} KB\n`,
  )
  return most - before
}

/** The bytes of a request; `fields` are lines without their ends. */
function bytesOf(line: string, ...fields: readonly string[]): string {
  const own = Object.entries(to.headers).map(([name, value]) => `${name}: ${value}`)
  return `${[`${line} HTTP/1.1`, ...own, ...fields].join('\r\n')}\r\n\r\n`
}

function askFor(line: string, ...fields: readonly string[]): Promise<RawAnswer> {
  return askRaw(to.port, bytesOf(line, ...fields))
}

async function download(query: string, how: string): Promise<number> {
  const check = new PatternCheck()
  const grown = await grownKb(async () => {
    const call = send('GET', `/${size}${query}`)
    call.end()
    const [answer]: IncomingMessage[] = await once(call, 'response')
    for await (const piece of answer ?? []) check.take(piece)
    expect(answer?.complete).toBe(true)
  }, `answer ${how}`)
  expect(check.count).toBe(size)
  return grown
}

/** 10 GB are what the clause speaks of. */
const clause = size >= 10e9 ? '[JK21.1] ' : ''

test(`${clause}HEAD, chunks, trailers, 1xx, 304, ranges, gzip, events and raw paths pass as they are, two framings are 400, long heads 431, and ${size / 1e9} GB pass in flat memory`, {
  timeout,
}, async () => {
  const digits = '0123456789'.repeat(10)
  const head = await askFor('HEAD /file')
  expect([head.status, headersOf(head, 'Content-Length'), head.body]).toEqual([200, ['100'], ''])
  expect(await askFor('GET /file')).toMatchObject({ status: 200, body: digits })
  const range = await askFor('GET /file', 'Range: bytes=5-14')
  expect([range.status, range.body]).toEqual([206, '5678901234'])
  expect(headersOf(range, 'Content-Range')).toEqual(['bytes 5-14/100'])
  const unchanged = await askFor('GET /file', 'If-None-Match: "v1"')
  expect([unchanged.status, headersOf(unchanged, 'ETag'), unchanged.body]).toEqual([304, ['"v1"'], ''])
  const zipped = await askFor('GET /zipped', 'Accept-Encoding: gzip')
  expect(headersOf(zipped, 'Content-Encoding')).toEqual(['gzip'])
  expect(gunzipSync(Buffer.from(zipped.body, 'latin1')).toString()).toBe(digits)
  const trailed = await askFor('GET /trailers', 'TE: trailers')
  expect([trailed.body, trailed.rawTrailers]).toEqual(['some', ['X-Sum', '4']])
  expect(await askFor('GET /hints')).toMatchObject({ status: 200, interim: [103], body: 'hinted' })
  const raw = '/raw//a/%2e%2F..%2f;b=%7e'
  expect((await askFor(`GET ${raw}?q=%zz\\`)).body).toBe(`${raw}?q=%zz\\`)
  using upload = await openRaw(to.port)
  upload.send(bytesOf('PUT /noise', 'Transfer-Encoding: chunked', 'Expect: 100-continue'))
  expect(await upload.bytes(25)).toBe('HTTP/1.1 100 Continue\r\n\r\n')
  upload.send('3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n')
  expect((await upload.answer()).body).toBe(createHash('sha256').update('abcdefg').digest('hex'))
  using events = await openRaw(to.port)
  events.send(bytesOf('GET /events'))
  expect(await events.sees('data: 1\n\n')).not.toContain('data: 2')
  expect((await events.answer()).body).toBe('data: 1\n\ndata: 2\n\n')
  expect((await askFor('POST /file', 'Content-Length: 0', 'Transfer-Encoding: chunked')).status).toBe(400)
  expect((await askFor('GET /file', `X-Long: ${'x'.repeat(17_000)}`)).status).toBe(431)
  expect(await download('', 'by length')).toBeLessThan(mostGrowthKb)
})

test(`an answer of ${size / 1e9} GB in chunks arrives whole, and takes no memory`, { timeout }, async () => {
  expect(await download('?chunked', 'in chunks')).toBeLessThan(mostGrowthKb)
})

test.each([
  ['by length', { 'Content-Length': String(size) }],
  ['in chunks', { 'Transfer-Encoding': 'chunked' }],
])(`an upload of ${size / 1e9} GB (%s) arrives whole, and takes no memory`, { timeout }, async (how, fields) => {
  let count = ''
  const grown = await grownKb(async () => {
    count = await exchange('PUT', '/pattern', size, fields)
  }, `upload ${how}`)
  expect(Number(count)).toBe(size)
  expect(grown).toBeLessThan(mostGrowthKb)
})

test('an upload of 512 MB of noise is the same to the last bit', { timeout: 90_000 }, async () => {
  const noise = randomBytes(32 << 20)
  const hash = createHash('sha256')
  const call = send('PUT', '/noise', { 'Content-Length': String(512 << 20) })
  const answered: Promise<IncomingMessage[]> = once(call, 'response')
  for (let sent = 0; sent < 512 << 20; sent += noise.length) {
    // Another one each time, for the price of a few bytes.
    noise.writeUInt32LE(sent, sent % 1_000_003)
    const piece = Buffer.from(noise)
    hash.update(piece)
    if (!call.write(piece)) await once(call, 'drain')
  }
  call.end()
  const [answer] = await answered
  let digest = ''
  for await (const piece of answer ?? []) digest += piece
  expect(digest).toBe(hash.digest('hex'))
})
