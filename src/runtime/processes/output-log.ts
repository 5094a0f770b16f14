/** What a workspace's programs print: a file with a size limit and one older one beside it. */
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { RotatingFile } from '#lib/rotating-file.ts'

/** Bytes of one file. */
export const defaultLogLimit = 1024 * 1024

const currentName = 'output.log'
const olderName = 'output.log.1'
/** Bytes at the end of the files that are looked at for the last lines. */
const longestTail = 512 * 1024
/** Characters of the last line that a message repeats. */
const longestLastLine = 300

export class OutputLog implements AsyncDisposable {
  readonly #file: RotatingFile
  #ending = ''

  constructor(folder: string, limit: number) {
    this.#file = new RotatingFile({ path: join(folder, currentName), limit, older: 1 })
  }

  /** Resolves when it is written, so that a program that prints faster than the disk takes it has to wait. */
  write(chunk: Buffer): Promise<void> {
    this.#ending = (this.#ending + chunk.toString('utf8')).slice(-4 * longestLastLine)
    return this.#file.append(chunk)
  }

  /** What was printed last, without terminal escapes, for a message. */
  get lastLine(): string {
    const lines = stripVTControlCharacters(this.#ending).split(/[\r\n]+/)
    const line = lines.findLast((candidate) => candidate.trim() !== '') ?? ''
    return line.trim().slice(0, longestLastLine)
  }

  /** A new run has not said anything yet. */
  forgetLastLine(): void {
    this.#ending = ''
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#file[Symbol.asyncDispose]()
  }
}

/** The last lines that an {@link OutputLog} of this folder holds; none when there is no such folder. */
export async function readLastLines(folder: string, count: number): Promise<readonly string[]> {
  if (count <= 0) return []
  const current = await readTail(join(folder, currentName))
  const currentLines = linesOf(current.text, current.isWhole)
  if (currentLines.length >= count || !current.isWhole) return currentLines.slice(-count)
  const older = await readTail(join(folder, olderName))
  // A line may have been cut in two where the file was full.
  return linesOf(older.text + current.text, older.isWhole).slice(-count)
}

function linesOf(text: string, isWhole: boolean): readonly string[] {
  const lines = text.split('\n')
  if (!isWhole) lines.shift()
  if (lines.at(-1) === '') lines.pop()
  return lines.map((line) => line.replace(/\r$/, ''))
}

async function readTail(path: string): Promise<{ text: string; isWhole: boolean }> {
  let handle: FileHandle
  try {
    handle = await open(path, 'r')
  } catch {
    return { text: '', isWhole: true } // nothing was printed yet
  }
  try {
    const { size } = await handle.stat()
    const length = Math.min(size, longestTail)
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, size - length)
    return { text: buffer.subarray(0, bytesRead).toString('utf8'), isWhole: length === size }
  } finally {
    await handle.close()
  }
}
