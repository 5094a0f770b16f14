/** Large files of a JupyterLab server, never held as a whole. */
import { createCipheriv, createHash, randomBytes } from 'node:crypto'
import type { JupyterClient } from './jupyter-client.ts'
import { openRequest, type PlainRequest } from './plain-request.ts'

const megabyte = 1024 * 1024

/** Bytes that don't repeat, made one megabyte at a time. */
function* noise(megabytes: number): Generator<Buffer> {
  const cipher = createCipheriv('aes-128-ctr', randomBytes(16), randomBytes(16))
  for (let made = 0; made < megabytes; made += 1) yield cipher.update(Buffer.alloc(megabyte))
}

export interface FileSum {
  /** Bytes. */
  readonly length: number
  /** Hexadecimal. */
  readonly sha256: string
}

/** As JupyterLab uploads large files: pieces of a megabyte, numbered from 1, the last one -1. */
export async function uploadNoise(lab: JupyterClient, path: string, megabytes: number): Promise<FileSum> {
  const hash = createHash('sha256')
  let count = 0
  for (const piece of noise(megabytes)) {
    hash.update(piece)
    count += 1
    const answer = await lab.ask('PUT', `api/contents/${path}`, {
      type: 'file',
      format: 'base64',
      content: piece.toString('base64'),
      chunk: count === megabytes ? -1 : count,
    })
    if (answer.status >= 300) throw new Error(`piece ${count}: ${answer.status} ${answer.body}`)
  }
  return { length: megabytes * megabyte, sha256: hash.digest('hex') }
}

/** `base`: the URL of the server's front page. */
export async function download(
  lab: JupyterClient,
  base: string,
  path: string,
  reach: Pick<PlainRequest, 'address' | 'ca'> = {},
): Promise<FileSum> {
  const { message } = await openRequest(`${base}files/${path}`, { headers: lab.fields(path), ...reach })
  const hash = createHash('sha256')
  let length = 0
  for await (const chunk of message) {
    const bytes = Buffer.from(chunk)
    length += bytes.length
    hash.update(bytes)
  }
  return { length, sha256: hash.digest('hex') }
}
