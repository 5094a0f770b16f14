/** A file that is appended to, with a size limit and older ones beside it: `name`, then `name.1`, which was the last one before, and so on. */
import { type FileHandle, mkdir, open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'

export interface RotatingFileOptions {
  readonly path: string
  /** Bytes of one file. */
  readonly limit: number
  /** How many older ones are kept. */
  readonly older: number
}

interface OpenFile {
  readonly handle: FileHandle
  size: number
}

/** Made when it is first written to, readable for its owner alone. What is asked for is done one after the other. */
export class RotatingFile implements AsyncDisposable {
  readonly #options: RotatingFileOptions
  #file: OpenFile | undefined
  #writes: Promise<void> = Promise.resolve()

  constructor(options: RotatingFileOptions) {
    this.#options = options
  }

  /** Cuts the piece in two where a file is full. Resolves when it is written; rejects with the error of the file system. */
  append(piece: Buffer): Promise<void> {
    return this.#inTurn(() => this.#fill(piece))
  }

  /**
   * The piece is whole in one file, which is longer than its limit only where the piece is; after an error nothing of it is there,
   * as far as the file system lets take it away.
   */
  appendWhole(piece: Buffer): Promise<void> {
    return this.#inTurn(() => this.#addWhole(piece))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inTurn(() => this.#close())
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#writes.then(work)
    this.#writes = done.catch(() => undefined) // told to who asked for it; the next one tries again
    return done
  }

  async #fill(piece: Buffer): Promise<void> {
    for (let rest = piece; rest.length > 0; ) {
      const file = this.#file ?? (await this.#open())
      const room = this.#options.limit - file.size
      if (room <= 0) {
        await this.#rotate()
        continue
      }
      const part = rest.subarray(0, room)
      await file.handle.appendFile(part)
      file.size += part.length
      rest = rest.subarray(part.length)
    }
  }

  async #addWhole(piece: Buffer): Promise<void> {
    let file = this.#file ?? (await this.#open())
    if (file.size > 0 && file.size + piece.length > this.#options.limit) {
      await this.#rotate()
      file = await this.#open()
    }
    try {
      await file.handle.appendFile(piece)
      file.size += piece.length
    } catch (error) {
      // A device can't be cut, and what is full may be broken as well: the error that counts is the first.
      await file.handle.truncate(file.size).catch(() => undefined)
      throw error
    }
  }

  async #open(): Promise<OpenFile> {
    const { path } = this.#options
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const handle = await open(path, 'a', 0o600)
    this.#file = { handle, size: (await handle.stat()).size }
    return this.#file
  }

  async #rotate(): Promise<void> {
    const { path, older } = this.#options
    await this.#close()
    for (let age = older - 1; age >= 1; age -= 1) await renameIfThere(`${path}.${age}`, `${path}.${age + 1}`)
    await renameIfThere(path, `${path}.1`)
  }

  async #close(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.handle.close()
  }
}

/** Somebody may have tidied up. */
async function renameIfThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  }
}
