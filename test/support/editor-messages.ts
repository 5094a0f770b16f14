/** What VS Code's workbench writes, as bytes: messages of its protocol, calls of channels, calls of the extension host. */
import { constants, createDeflateRaw } from 'node:zlib'

export function editorMessage(kind: number, body: Uint8Array = new Uint8Array()): Buffer {
  const header = Buffer.alloc(13)
  header[0] = kind
  header.writeUInt32BE(7, 1)
  header.writeUInt32BE(3, 5)
  header.writeUInt32BE(body.length, 9)
  return Buffer.concat([header, body])
}

function size(value: number): Buffer {
  const bytes = []
  let rest = value
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  return Buffer.from([...bytes, rest])
}

type Value = number | string | object | readonly Value[]

/** A value as a channel writes it; an object is its JSON text. */
export function channelValue(value: Value): Buffer {
  if (typeof value === 'number') return Buffer.concat([Buffer.from([6]), size(value)])
  if (Array.isArray(value)) return Buffer.concat([Buffer.from([4]), size(value.length), ...value.map(channelValue)])
  const text = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
  return Buffer.concat([Buffer.from([typeof value === 'string' ? 1 : 5]), size(text.length), text])
}

export function channelCall(channel: string, name: string, argument: Value): Buffer {
  return Buffer.concat([channelValue([100, 300, channel, name]), channelValue(argument)])
}

/** A file as a channel names it. */
export function fileName(path: string): object {
  return { $mid: 1, external: `vscode-remote://host:1${path}`, path, scheme: 'vscode-remote', authority: 'host:1' }
}

export function hostRequest(method: string, argumentsOf: readonly unknown[]): Buffer {
  const text = Buffer.from(JSON.stringify(argumentsOf))
  const head = Buffer.from([1, 0, 0, 1, 0, 98, method.length])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(text.length)
  return Buffer.concat([head, Buffer.from(method), length, text])
}

/** Payloads of messages as a browser compresses them one after the other (RFC 7692 section 7.2.1), with context take-over. */
export async function compressed(payloads: readonly Uint8Array[]): Promise<readonly Buffer[]> {
  const deflating = createDeflateRaw()
  const made: Buffer[] = []
  for (const payload of payloads) {
    const pieces: Buffer[] = []
    const take = (piece: Buffer) => void pieces.push(piece)
    deflating.on('data', take)
    deflating.write(payload)
    await new Promise<void>((resolve) => deflating.flush(constants.Z_SYNC_FLUSH, () => resolve()))
    deflating.off('data', take)
    made.push(Buffer.concat(pieces).subarray(0, -4))
  }
  deflating.destroy()
  return made
}
