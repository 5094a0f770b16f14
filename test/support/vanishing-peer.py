"""A peer that vanishes without a word: from then on the system throws away whatever arrives for its socket, so that nothing is acknowledged any more.

As a client: `vanishing-peer.py client PORT`, with a WebSocket's handshake on standard input. As an app: `vanishing-peer.py app PORT`; it answers
handshakes and plain requests. Either says `gone` when it is. Lives until its standard input ends (as a client, until it is killed).
"""

import base64
import ctypes
import hashlib
import socket
import struct
import sys
import threading
import time

SO_ATTACH_FILTER = 26
# One instruction of BPF: accept 0 bytes of every packet (linux/filter.h).
DROP = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))


def vanish(peer):
    peer.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", 1, ctypes.addressof(DROP)))
    print("gone", flush=True)


def read_head(peer):
    head = b""
    while b"\r\n\r\n" not in head:
        piece = peer.recv(65536)
        if not piece:
            return head
        head += piece
    return head


def client(port):
    peer = socket.create_connection(("127.0.0.1", port))
    peer.sendall(sys.stdin.buffer.read())
    print(read_head(peer).split(b"\r\n", 1)[0].decode(), flush=True)
    vanish(peer)
    time.sleep(600)


def serve(peer):
    head = read_head(peer)
    key = [line.split(b":", 1)[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:")]
    if not key:
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        peer.close()
        return
    accept = base64.b64encode(hashlib.sha1(key[0] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept
    peer.sendall(answer + b"\r\n\r\n")
    time.sleep(0.2)
    vanish(peer)
    time.sleep(600)


def app(port):
    listener = socket.create_server(("127.0.0.1", port))
    print("listening", flush=True)
    threading.Thread(target=lambda: [threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start() for _ in iter(int, 1)], daemon=True).start()
    sys.stdin.buffer.read()


{"client": client, "app": app}[sys.argv[1]](int(sys.argv[2]))
