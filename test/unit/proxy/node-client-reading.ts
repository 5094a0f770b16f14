/** How Node's own HTTP client (llhttp) reads the bytes of a response: the second opinion on the reader of ours. */
import { Agent, type IncomingMessage, request } from 'node:http'
import { type Duplex, duplexPair } from 'node:stream'

/** What came of one response, and of the end of its connection behind it. */
export type Reading =
  | {
      readonly kind: 'read'
      readonly interim: readonly number[]
      readonly status: number
      /** Flat. */
      readonly headers: readonly string[]
      readonly body: string
      readonly trailers: readonly string[]
      /** May the connection carry another request? */
      readonly isPersistent: boolean
    }
  | { readonly kind: 'switched'; readonly status: number; readonly headers: readonly string[]; readonly rest: string }
  | { readonly kind: 'refused'; readonly why: string }

export function readWithNode(method: 'GET' | 'HEAD', chunks: readonly Buffer[]): Promise<Reading> {
  const [client, server] = duplexPair()
  const interim: number[] = []
  return new Promise<Reading>((resolve) => {
    const refuse = (error: Error) => resolve({ kind: 'refused', why: error.message })
    const call = request({ method, agent: keepingAgent(client), maxHeaderSize: 131_072 })
    call.maxHeadersCount = 0
    call.on('information', ({ statusCode }) => interim.push(statusCode))
    call.on('upgrade', ({ statusCode: status = 0, rawHeaders: headers }, socket, head) => {
      let rest = head.toString('latin1')
      socket.on('data', (bytes: Buffer) => {
        rest += bytes.toString('latin1')
      })
      socket.on('end', () => resolve({ kind: 'switched', status, headers, rest }))
    })
    let received: IncomingMessage | undefined
    call.on('response', (response) => {
      received = response
      // Said by the parser with the head; the agent acts on it at the end.
      const isPersistent = Reflect.get(call, 'shouldKeepAlive') === true
      whole(response).then((reading) => resolve({ ...reading, interim, isPersistent }), refuse)
    })
    // Also for what comes behind a whole response, which is no longer its affair.
    call.on('error', (error) => {
      if (!received?.complete) refuse(error)
    })
    call.end()
    server.on('error', () => undefined)
    void send(server, chunks)
  }).finally(() => {
    client.destroy()
    server.destroy()
  })
}

async function send(server: Duplex, chunks: readonly Buffer[]): Promise<void> {
  server.resume()
  for (const chunk of chunks) {
    if (server.destroyed) return
    await new Promise((resolve) => server.write(chunk, resolve))
  }
  server.end()
}

/** One that would keep this connection. */
function keepingAgent(client: Duplex): Agent {
  const agent = new Agent({ keepAlive: true })
  agent.createConnection = () => client
  agent.keepSocketAlive = () => false
  return agent
}

type Whole = Omit<Extract<Reading, { kind: 'read' }>, 'interim' | 'isPersistent'>

function whole(response: IncomingMessage): Promise<Whole> {
  const { statusCode: status = 0, rawHeaders: headers } = response
  let body = ''
  response.on('data', (bytes: Buffer) => {
    body += bytes.toString('latin1')
  })
  return new Promise((resolve, reject) => {
    response.on('error', reject)
    response.on('close', () => {
      if (response.complete) {
        resolve({ kind: 'read', status, headers, body, trailers: response.rawTrailers })
      } else reject(new Error('cut off'))
    })
  })
}
