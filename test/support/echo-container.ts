/** A small app for real pods, in what the image of JupyterLab has anyway: HTTP answers say who was asked, WebSockets are echoed. */

/** Made by `cluster jupyterlab`, or any other image with `python3`. */
export const testImage = process.env.GATEHOUSE_TEST_IMAGE ?? 'docker.io/local/jupyterlab:1'

/** What is below it ends at once when told to, and echoes WebSockets. */
const preamble = `
import base64, hashlib, http.server, json, os, signal, socketserver, sys, threading
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def log_message(self, *_):
        pass
    def do_GET(self):
        if self.headers.get('Upgrade', '').lower() == 'websocket':
            return self.echo()
        length = int(self.headers.get('Content-Length') or 0)
        self.answer(self.rfile.read(length))
    do_POST = do_PUT = do_DELETE = do_OPTIONS = do_GET
    def send(self, body, headers, status=200):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def echo(self):
        key = self.headers['Sec-WebSocket-Key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        self.wfile.write(('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: ' + accept + '\\r\\n\\r\\n').encode())
        self.close_connection = True
        while True:
            head = self.rfile.read(2)
            if len(head) < 2:
                return
            size = head[1] & 127
            if size >= 126:
                size = int.from_bytes(self.rfile.read(2 if size == 126 else 8), 'big')
            mask = self.rfile.read(4)
            data = bytes(byte ^ mask[index % 4] for index, byte in enumerate(self.rfile.read(size)))
            opcode = 10 if head[0] & 15 == 9 else head[0] & 15
            length = bytes([size]) if size < 126 else b'\\x7e' + size.to_bytes(2, 'big') if size < 65536 else b'\\x7f' + size.to_bytes(8, 'big')
            self.wfile.write(bytes([head[0] & 128 | opcode]) + length + data)
            if opcode == 8:
                return

class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

def serve(handler, ports):
    servers = [Server(('', port), handler) for port in ports]
    print('listening on', *ports, flush=True)
    for server in servers:
        threading.Thread(target=server.serve_forever).start()
`

/** Is up in a quarter of a second. */
const program = `${preamble}
class Echo(Handler):
    def answer(self, body):
        self.send(json.dumps({
            'pod': os.environ.get('POD_UID', ''), 'port': self.server.server_address[1], 'method': self.command, 'url': self.path,
            'headers': dict(self.headers), 'body': body.decode('latin1'), 'env': dict(os.environ),
        }).encode(), {'Content-Type': 'application/json'})

serve(Echo, [int(port) for port in sys.argv[1:]])
`

/** Answers by how a path ends; each request is noted in the output, as one line of JSON. */
const keeper = `${preamble}
answers = json.loads(sys.argv[1])

class Keeper(Handler):
    def do_GET(self):
        print(json.dumps({'method': self.command, 'url': self.path, 'headers': {name.lower(): value for name, value in self.headers.items()}}), flush=True)
        super().do_GET()
    do_POST = do_PUT = do_DELETE = do_OPTIONS = do_GET
    def answer(self, _):
        path = self.path.split('?')[0]
        found = next(answer for ending, answer in answers if path.endswith(ending))
        if found.get('isHeld'):
            threading.Event().wait()
        self.send(found['body'].encode(), {
            'Content-Type': found['type'], 'Access-Control-Allow-Origin': self.headers.get('Origin', '*'),
            'Access-Control-Allow-Credentials': 'true', 'Access-Control-Allow-Headers': 'content-type', 'Access-Control-Allow-Methods': '*',
            **found.get('headers', {}),
        }, found.get('status', 200))

serve(Keeper, [8888])
`

export interface ContainerConfig {
  readonly command: readonly string[]
  readonly args: readonly string[]
}

/** For `spec.containerConfig` of a Workspace. */
export function echoContainer(...ports: readonly number[]): ContainerConfig {
  return { command: ['python3', '-c', program], args: (ports.length === 0 ? [8888] : ports).map(String) }
}

/** The same beside another program, which is what the container is for. */
export function withEcho(port: number, { command, args }: ContainerConfig): ContainerConfig {
  return { command: ['/bin/sh', '-c', `python3 -c "$0" ${port} & exec "$@"`, program], args: [...command, ...args] }
}

export interface KeeperAnswer {
  readonly type: string
  readonly body: string
  /** 200 when absent. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** It never comes. */
  readonly isHeld?: true
}

/** Answers every path by the first of these that it ends with, to pages of any origin, and writes each request into its output. */
export function keeperContainer(
  answers: readonly (readonly [ending: string, answer: KeeperAnswer])[],
): ContainerConfig {
  return { command: ['python3', '-c', keeper], args: [JSON.stringify(answers)] }
}

/** What one answer of the echo says. */
export interface EchoAnswer {
  /** UID of the pod. */
  readonly pod: string
  readonly port: number
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly env: Readonly<Record<string, string>>
}

/** The real JupyterLab of the image, whose login is the gateway's alone. `basePath` is the public prefix of its port. */
export function jupyterContainer(basePath = '/'): ContainerConfig {
  return {
    command: ['/opt/jupyter/bin/jupyter', 'lab'],
    args: [
      ...['--ServerApp.ip=0.0.0.0', '--ServerApp.port=8888', `--ServerApp.base_url=${basePath}`],
      ...['--IdentityProvider.token=', '--ServerApp.password=', '--ServerApp.allow_remote_access=True'],
      ...['--ServerApp.open_browser=False', '--ServerApp.trust_xheaders=True', '--ServerApp.root_dir=/home/jovyan'],
      ...['--LabApp.news_url=None', '--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate'],
    ],
  }
}

/** A container that runs this shell script. */
export function shellContainer(script: string): ContainerConfig {
  return { command: ['/bin/sh', '-c'], args: [script] }
}
