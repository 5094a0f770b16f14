/** Which TCP ports of an address take connections: all of them are tried. For whoever has Python, such as the image of workspaces, or Node, such as the gateway's. */

/** `python3 -c SCRIPT ADDRESS`: the ports with a space between them. */
export const scanByPython = `
import socket, sys
def takes(port):
    with socket.socket() as one:
        one.settimeout(5)
        # From the same machine, one that nobody listens at may be given to the caller himself, who then is connected to himself.
        return one.connect_ex((sys.argv[1], port)) == 0 and one.getsockname() != one.getpeername()
print(*[port for port in range(1, 65536) if takes(port)])
`

/** `node -e SCRIPT ADDRESS`: as {@link scanByPython}. */
export const scanByNode = `
const { connect } = require('node:net')
const [host] = process.argv.slice(1)
const open = []
let next = 1
function one() {
  if (next > 65535) return
  const port = next++
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 5000 }, () => {
      open.push(port)
      socket.destroy()
    })
    socket.on('timeout', () => socket.destroy()).on('error', () => undefined).on('close', resolve)
  }).then(one)
}
Promise.all(Array.from({ length: 100 }, one)).then(() => console.log(open.sort((a, b) => a - b).join(' ')))
`
