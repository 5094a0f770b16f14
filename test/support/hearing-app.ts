/** An app for real pods that writes every byte that it is sent into its output, as Python writes them, and answers everything with 200. */
import type { ContainerConfig } from './echo-container.ts'

const program = `
import os, signal, socketserver
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
class Hear(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            print(data, flush=True)
            self.request.sendall(b'HTTP/1.1 200 OK\\r\\ncontent-length: 5\\r\\ncontent-type: text/plain\\r\\n\\r\\nheard')
class Server(socketserver.ThreadingTCPServer):
    daemon_threads = allow_reuse_address = True
Server(('', 8888), Hear).serve_forever()
`

export const hearing: ContainerConfig = { command: ['python3', '-c', program], args: [] }
