/** Reads a folder of manifests: which files there are, and what they hold. Reads only regular files within the folder, each bounded in size. */
import { createHash } from 'node:crypto'
import { constants, type Dirent } from 'node:fs'
import { open, readdir, realpath, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { messageOf } from '#errors.ts'
import type { Resource, ResourceKind } from '#resources/contract.ts'
import { type ManifestFile, type ManifestProblem, parseManifest } from './manifest-file.ts'

/** In bytes. */
const sizeLimit = 1024 * 1024
const fileLimit = 1_000
const depthLimit = 16

/** A folder to be watched. Its `identity` tells a new folder at the same path from the old one. */
export interface WatchableFolder {
  readonly path: string
  readonly identity: string
}

export interface FolderSnapshot {
  /** By path relative to the folder, with `/`, in order. */
  readonly files: ReadonlyMap<string, ManifestFile>
  /** What could not be looked into, `.` for the whole: nothing is known about the files there. */
  readonly unreadable: readonly ManifestProblem[]
  readonly folders: readonly WatchableFolder[]
}

interface Parsed {
  readonly digest: string
  readonly manifest: ManifestFile
}

interface Walk {
  readonly files: string[]
  readonly folders: WatchableFolder[]
  readonly unreadable: ManifestProblem[]
}

export class ManifestFolder {
  readonly #folder: string
  readonly #kinds: readonly ResourceKind<Resource>[]
  /** So that only what has changed is parsed. */
  #parsed: ReadonlyMap<string, Parsed> = new Map()

  constructor(folder: string, kinds: readonly ResourceKind<Resource>[]) {
    this.#folder = folder
    this.#kinds = kinds
  }

  /** Never rejects: what cannot be read is a problem. */
  async read(): Promise<FolderSnapshot> {
    const walk: Walk = { files: [], folders: [], unreadable: [] }
    const parsed = new Map<string, Parsed>()
    try {
      const root = await realpath(this.#folder)
      await walkFolder(root, '', 0, walk)
      for (const file of walk.files.sort()) {
        const one = await this.#readFile(root, file)
        if (one) parsed.set(file, one)
      }
    } catch (error) {
      walk.unreadable.push({ file: '.', line: 0, reason: messageOf(error) })
    }
    this.#parsed = parsed
    const files = new Map([...parsed].map(([file, { manifest }]) => [file, manifest]))
    return { files, unreadable: walk.unreadable, folders: walk.folders }
  }

  /** `undefined` for what is no manifest after all, or gone meanwhile. */
  async #readFile(root: string, file: string): Promise<Parsed | undefined> {
    try {
      // A file of its own may be a link within the folder, as Kubernetes mounts a ConfigMap; one that leads out of it is none of ours.
      const target = await realpath(join(root, file))
      if (!target.startsWith(root + sep)) return undefined
      const content = await contentOf(target)
      if (content === undefined) return undefined
      if (content === 'too large') return broken(file, `is larger than ${sizeLimit} bytes`)
      const digest = createHash('sha256').update(content).digest('hex')
      const known = this.#parsed.get(file)
      if (known?.digest === digest) return known
      const text = new TextDecoder('utf-8', { fatal: true }).decode(content)
      return { digest, manifest: parseManifest(file, text, this.#kinds) }
    } catch (error) {
      return isGone(error) ? undefined : broken(file, messageOf(error))
    }
  }
}

async function walkFolder(root: string, relative: string, depth: number, walk: Walk): Promise<void> {
  const path = join(root, relative)
  // Numbers are given again at once: a folder that was made again often has the one of its forerunner.
  const { dev, ino, birthtimeNs } = await stat(path, { bigint: true })
  walk.folders.push({ path, identity: `${dev}:${ino}:${birthtimeNs}` })
  const entries = await readdir(path, { withFileTypes: true })
  // In order, so that the same ones are beyond the limit every time.
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith('.')) continue
    await walkEntry(root, relative === '' ? entry.name : `${relative}/${entry.name}`, entry, { depth, walk })
  }
}

async function walkEntry(
  root: string,
  file: string,
  entry: Dirent,
  { depth, walk }: { depth: number; walk: Walk },
): Promise<void> {
  if (entry.isDirectory()) {
    await walkSubfolder(root, file, depth, walk)
  } else if (/\.ya?ml$/.test(entry.name) && (entry.isFile() || entry.isSymbolicLink())) {
    if (walk.files.length < fileLimit) walk.files.push(file)
    else walk.unreadable.push({ file, line: 0, reason: `there are more than ${fileLimit} files` })
  }
}

async function walkSubfolder(root: string, file: string, depth: number, walk: Walk): Promise<void> {
  try {
    if (depth >= depthLimit) throw new Error(`folders are nested deeper than ${depthLimit}`)
    await walkFolder(root, file, depth + 1, walk)
  } catch (error) {
    if (!isGone(error)) walk.unreadable.push({ file, line: 0, reason: messageOf(error) })
  }
}

async function contentOf(path: string): Promise<Buffer | 'too large' | undefined> {
  // NONBLOCK: what was a file may be a pipe by now, and opening one would wait for a writer.
  await using handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  const status = await handle.stat()
  if (!status.isFile()) return undefined
  if (status.size > sizeLimit) return 'too large'
  const content = await handle.readFile()
  return content.length > sizeLimit ? 'too large' : content
}

function broken(file: string, reason: string): Parsed {
  return { digest: '', manifest: { ok: false, problems: [{ file, line: 0, reason }] } }
}

function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
}
