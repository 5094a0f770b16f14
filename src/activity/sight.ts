/** What something that passed by says about a workspace. */

/**
 * `interactive`: a person did something. `busy`: work is running. `background`: programs among themselves, such as polls and pings.
 * `unknown`: it can't be told, which counts as activity.
 */
export type ActivityClass = 'interactive' | 'busy' | 'background' | 'unknown'

/** One evidence. */
export interface Sight {
  readonly class: ActivityClass
  /** What it was, for people: `kernel:execute_request`, `contents:PUT`. Never anything a person typed. */
  readonly source: string
}

export function sight(class_: ActivityClass, source: string): Sight {
  return { class: class_, source }
}
