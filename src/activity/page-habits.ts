/**
 * What a page does by itself looks as what a person does by it, but for what came before or after: a page that is loaded opens again what it had open,
 * and a notebook is saved by itself when somebody typed or its kernel printed into it, by hand with a checkpoint. Of one person's pages, as far as this
 * replica sees them: another one may have seen what is missing here, so that what is missing makes nothing a person's doing.
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
  /** Absent: this replica has not seen it. */
  #loadedAt: Timestamp | undefined
  #doubtful: { readonly path: string; readonly at: Timestamp } | undefined

  /** What is to be made of what a request seems to say. */
  judge(seen: Sight, { mode, destination, rest }: AnsweredRequest, now: Timestamp): Sight {
    if (mode === 'navigate' && destination !== 'iframe') {
      this.#loadedAt = now
      // What is opened again may get a checkpoint of its own.
      this.#doubtful = undefined
    }
    switch (seen.source) {
      case 'contents:PUT':
        return rest.endsWith('.ipynb') ? this.#judgeSave(rest, now) : seen
      case 'checkpoint:POST':
        return this.#isBesideDoubtful(rest, now) ? savedByHand : seen
      default:
        return this.judgeOpening(seen, now)
    }
  }

  /** What is to be made of what is said of a document that is opened; of all else, the same. */
  judgeOpening(seen: Sight, now: Timestamp): Sight {
    if (!opening.has(seen.source)) return seen
    if (this.#loadedAt === undefined) return sight('unknown', seen.source)
    return now - this.#loadedAt < restoring ? restored : seen
  }

  /** Somebody may have typed, or a kernel printed: that can't be told. */
  #judgeSave(path: string, at: Timestamp): Sight {
    this.#doubtful = { path, at }
    return autosave
  }

  #isBesideDoubtful(path: string, now: Timestamp): boolean {
    const doubtful = this.#doubtful
    return doubtful !== undefined && path === `${doubtful.path}/checkpoints` && now - doubtful.at < beside
  }
}
