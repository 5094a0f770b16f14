/** The load of the echo: 32 sockets, each sends a message of 64 bytes when the last one is back. Arguments: port, seconds, header lines. */
import { closeAll, openAll } from '../idle-sockets.ts'

const [port = '', seconds = '', ...headers] = process.argv.slice(2)
/** Final, binary, masked with zeroes. */
const message = Buffer.concat([Buffer.from([0x82, 0x80 | 64, 0, 0, 0, 0]), Buffer.alloc(64, 0x61)])
const echoLength = 66

const sockets = await openAll(Number(port), headers, 32)
let messages = 0
for (const socket of sockets) {
  let got = 0
  socket.on('data', (bytes) => {
    got += bytes.length
    if (got < echoLength) return
    got -= echoLength
    messages += 1
    socket.write(message)
  })
  socket.write(message)
}
await new Promise((resolve) => setTimeout(resolve, 1_000))
messages = 0
process.stdout.write('begun\n')
await new Promise((resolve) => setTimeout(resolve, Number(seconds) * 1_000))
process.stdout.write(`${messages} messages\n`)
closeAll(sockets)
