/** Apps for real pods that keep people waiting, each in its own way. */
import { type ContainerConfig, echoContainer, shellContainer } from './echo-container.ts'

/** Where {@link heldBack} looks whether it may begin. */
export const releaseFile = '/tmp/go'

/** Runs, and its pod is Ready, but nobody listens until {@link releaseFile} is there; then it is the echo app. */
export function heldBack(): ContainerConfig {
  const { command, args } = echoContainer()
  const script = `while [ ! -e ${releaseFile} ]; do sleep 0.1; done; exec "$0" "$@"`
  return { command: ['/bin/sh', '-c', script], args: [...command, ...args] }
}

const failing = `
import http.server, signal, os, time
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
class Failing(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass
    def do_GET(self):
        print(time.time(), flush=True)
        self.send_error(500)
http.server.HTTPServer(('', 8888), Failing).serve_forever()
`

/** Answers everything with 500, and says in its output when it was asked: seconds since 1970. */
export function failingApp(): ContainerConfig {
  return { command: ['python3', '-c', failing], args: [] }
}

const mute = `
import signal, os, socket, time
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
listener = socket.create_server(('', 8888))
taken = []
while True:
    taken.append(listener.accept())
    print(time.time(), flush=True)
`

/** Takes every connection and never answers, and says in its output when it was called. */
export function muteApp(): ContainerConfig {
  return { command: ['python3', '-c', mute], args: [] }
}

/** Says something and ends with an error, again and again. */
export function crashingApp(): ContainerConfig {
  return shellContainer('echo the first line; sleep 0.2; echo "no such table: <users>" >&2; exit 3')
}
