/** As much of `http-proxy` as the baseline uses; it ships no types. */
declare module 'http-proxy' {
  import type { Agent, IncomingMessage, ServerResponse } from 'node:http'
  import type { Duplex } from 'node:stream'

  interface Proxy {
    web(request: IncomingMessage, response: ServerResponse): void
    ws(request: IncomingMessage, socket: Duplex, head: Buffer): void
    on(
      event: 'error',
      listener: (error: Error, request: IncomingMessage, response: ServerResponse | Duplex) => void,
    ): this
  }
  const httpProxy: {
    createProxyServer(options: {
      target: { host: string; port: number }
      agent: Agent
      ws: boolean
      xfwd: boolean
    }): Proxy
  }
  export = httpProxy
}
