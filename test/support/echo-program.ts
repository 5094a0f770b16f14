/**
 * An app for real processes: `node echo-program.ts 8888=/path/of/a/socket …` listens on each. It says on which port it was asked, by what
 * target, and in which environment it runs; `/slow` takes its time; WebSockets are echoed.
 */
import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'

const slow = 1_200

for (const argument of process.argv.slice(2)) {
  const [port = '', path = ''] = argument.split('=', 2)
  const server = createServer((request, response) => {
    const answer = () => response.end(JSON.stringify({ port: Number(port), url: request.url, env: process.env }))
    response.setHeader('content-type', 'application/json')
    if (request.url?.endsWith('/slow')) setTimeout(answer, slow)
    else answer()
  })
  new WebSocketServer({ server }).on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  server.listen(path)
}
