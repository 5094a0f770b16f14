/** The baseline `http-proxy` with a keep-alive agent. Arguments: port, port of the upstream. */
import { Agent, createServer } from 'node:http'
import httpProxy from 'http-proxy'

const [port, upstream] = process.argv.slice(2).map(Number)
const agent = new Agent({ keepAlive: true, maxSockets: 256 })
const proxy = httpProxy.createProxyServer({
  target: { host: '127.0.0.1', port: upstream ?? 0 },
  agent,
  ws: true,
  xfwd: true,
})
proxy.on('error', (_error, _request, response) => response.destroy())
const server = createServer((request, response) => proxy.web(request, response))
server.on('upgrade', (request, socket, head) => proxy.ws(request, socket, head))
server.listen(port, '127.0.0.1')
