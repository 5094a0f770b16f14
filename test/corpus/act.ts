/** How something is done in a real browser that a label speaks of. */

export interface Act {
  /** Not recorded. */
  readonly before?: () => Promise<unknown>
  readonly act: () => Promise<unknown>
  /** How long is looked on after it, in milliseconds. */
  readonly look: number
  /** Not recorded. */
  readonly after?: () => Promise<unknown>
}

export type Acts = ReadonlyMap<string, Act>

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
