/** Tells that something has changed in a set of folders, as the kernel reports it. What it was, only reading shows. */
import { type FSWatcher, watch } from 'node:fs'
import type { WatchableFolder } from './manifest-folder.ts'

interface Watched {
  readonly identity: string
  readonly watcher: FSWatcher
}

export class FolderWatch {
  readonly #watched = new Map<string, Watched>()
  readonly #onChange: () => void
  #isComplete = false

  constructor(onChange: () => void, signal: AbortSignal) {
    this.#onChange = onChange
    signal.addEventListener('abort', () => this.follow([]), { once: true })
  }

  /** `false`: some folder is not watched (the kernel's limit is reached, the folder is on a network), so only reading again shows a change. */
  get isComplete(): boolean {
    return this.#isComplete
  }

  /** Watches these folders and no others. `true` when it began to watch one: what changed there before may have gone unseen. */
  follow(folders: readonly WatchableFolder[]): boolean {
    const wanted = new Map(folders.map(({ path, identity }) => [path, identity]))
    for (const [path, { identity }] of this.#watched) if (wanted.get(path) !== identity) this.#drop(path)
    const missing = folders.filter(({ path }) => !this.#watched.has(path))
    const begun = missing.filter((folder) => this.#begin(folder))
    this.#isComplete = folders.length > 0 && begun.length === missing.length
    return begun.length > 0
  }

  #begin({ path, identity }: WatchableFolder): boolean {
    try {
      const watcher = watch(path, { persistent: false }, this.#onChange)
      watcher.on('error', () => {
        this.#drop(path)
        this.#isComplete = false
        this.#onChange()
      })
      this.#watched.set(path, { identity, watcher })
      return true
    } catch {
      // Said by isComplete: the caller then looks more often.
      return false
    }
  }

  #drop(path: string): void {
    this.#watched.get(path)?.watcher.close()
    this.#watched.delete(path)
  }
}
