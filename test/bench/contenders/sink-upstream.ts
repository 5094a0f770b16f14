/** Takes bodies whose length is said, and answers when it has all of one. No HTTP server, which would be full before a contender is. Argument: its port. */
import { createServer, type Socket } from 'node:net'

const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'

function serve(socket: Socket): void {
  let head = ''
  let missing = 0
  socket.on('error', () => undefined)
  socket.on('data', (piece) => {
    missing -= piece.length
    if (missing < 0) {
      head += piece.toString('latin1')
      const end = head.indexOf('\r\n\r\n')
      if (end < 0) return
      const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1])
      missing = end + 4 + length - head.length
      head = ''
    }
    if (missing === 0) socket.write(answer)
  })
}

createServer(serve).listen(Number(process.argv[2]), '127.0.0.1')
