/**
 * What a page does by itself looks as what a person does by it, but for what came before: a page that is loaded opens again what it had open, and a
 * notebook is saved when its kernel has printed something into it. Of one person's pages, as far as this replica sees them.
 */
import type { Milliseconds, Timestamp } from '#lib/clock.ts'
import type { AnsweredRequest } from './http-activity.ts'
import { type Sight, sight } from './sight.ts'

/** After that a page has restored what it had open, however slow it is. */
const restoring: Milliseconds = 60_000
/** Who saves by hand has the page make a checkpoint right after that. */
const beside: Milliseconds = 10_000

/** What is said when a document is opened, by JupyterLab and by VS Code. */
const opening: ReadonlySet<string> = new Set(['open:GET', 'editor:$acceptTabOperation'])
const restored = sight('background', 'open:restored')
const autosave = sight('unknown', 'contents:autosave')
const savedByHand = sight('interactive', 'contents:save')

export class PageHabits {
  #loadedAt: Timestamp = Number.NEGATIVE_INFINITY
  #hasPrinted = false
  #doubtful: { readonly path: string; readonly at: Timestamp } | undefined

  /** A kernel has said what becomes part of a notebook. */
  printed(): void {
    this.#hasPrinted = true
  }

  /** What is to be made of what a request seems to say. */
  judge(seen: Sight, { mode, destination, rest }: AnsweredRequest, now: Timestamp): Sight {
    if (mode === 'navigate' && destination !== 'iframe') this.#loadedAt = now
    switch (seen.source) {
      case 'contents:PUT':
        return rest.endsWith('.ipynb') ? this.#judgeSave(seen, rest, now) : seen
      case 'checkpoint:POST':
        return this.#isBesideDoubtful(rest, now) ? savedByHand : seen
      default:
        return this.judgeOpening(seen, now)
    }
  }

  /** What is to be made of what is said of a document that is opened; of all else, the same. */
  judgeOpening(seen: Sight, now: Timestamp): Sight {
    return opening.has(seen.source) && now - this.#loadedAt < restoring ? restored : seen
  }

  /** Somebody may have typed as well: that can't be told. */
  #judgeSave(seen: Sight, path: string, at: Timestamp): Sight {
    if (!this.#hasPrinted) return seen
    this.#hasPrinted = false
    this.#doubtful = { path, at }
    return autosave
  }

  #isBesideDoubtful(path: string, now: Timestamp): boolean {
    const doubtful = this.#doubtful
    return doubtful !== undefined && path === `${doubtful.path}/checkpoints` && now - doubtful.at < beside
  }
}
