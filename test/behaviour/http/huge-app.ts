/**
 * An app in a process of its own: bodies of any size, and one path for each of the things that HTTP knows besides. `GET /<bytes>` answers with so
 * many bytes of the pattern, in chunks where `?chunked` is asked for; a body sent to `/pattern` is compared with it, to anywhere else hashed.
 * Argument: port.
 */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { PatternCheck, sendPattern } from './pattern.ts'

const file = Buffer.from('0123456789'.repeat(10))
const zipped = gzipSync(file)

type Handler = (request: IncomingMessage, response: ServerResponse) => void

const handlers: Readonly<Record<string, Handler>> = {
  '/file': sendFile,
  '/zipped': (_request, response) => void response.setHeader('Content-Encoding', 'gzip').end(zipped),
  '/raw': (request, response) => void response.end(request.url),
  '/trailers': (_request, response) => {
    response.setHeader('Trailer', 'X-Sum').write('some')
    response.addTrailers({ 'X-Sum': '4' })
    response.end()
  },
  '/hints': (_request, response) => {
    response.writeEarlyHints({ link: '</style.css>; rel=preload' })
    response.end('hinted')
  },
  '/events': (_request, response) => {
    response.setHeader('Content-Type', 'text/event-stream').write('data: 1\n\n')
    setTimeout(() => response.end('data: 2\n\n'), 300)
  },
}

function sendFile({ headers }: IncomingMessage, response: ServerResponse): void {
  response.setHeader('ETag', '"v1"')
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? []
  if (headers['if-none-match'] === '"v1"') response.writeHead(304).end()
  else if (first === undefined || last === undefined) response.setHeader('Content-Length', file.length).end(file)
  else {
    response.writeHead(206, { 'Content-Range': `bytes ${first}-${last}/${file.length}` })
    response.end(file.subarray(Number(first), Number(last) + 1))
  }
}

async function send(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const count = Number(/^\/(\d+)/.exec(request.url ?? '')?.[1] ?? 0)
  if (!request.url?.includes('chunked')) response.setHeader('Content-Length', count)
  await sendPattern(response, count)
  response.end()
}

async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const check = new PatternCheck()
  const hash = createHash('sha256')
  const isPattern = request.url?.startsWith('/pattern')
  for await (const piece of request) {
    if (isPattern) check.take(piece)
    else hash.update(piece)
  }
  response.end(isPattern ? String(check.count) : hash.digest('hex'))
}

function carryOut(request: IncomingMessage, response: ServerResponse): void {
  const handler = handlers[/^\/\w*/.exec(request.url ?? '')?.[0] ?? '']
  if (handler) {
    handler(request, response)
    return
  }
  const work = request.method === 'GET' ? send(request, response) : receive(request, response)
  // Whoever asked has gone.
  work.catch(() => response.destroy())
}

const server = createServer(carryOut)
server.on('checkContinue', (request, response) => {
  response.writeContinue()
  carryOut(request, response)
})
server.listen(Number(process.argv[2]), '127.0.0.1')
