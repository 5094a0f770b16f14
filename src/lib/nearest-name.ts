/** Which known name somebody meant who wrote another one. */

/** The known name that needs the fewest changed letters, if these are at most a third of it; `undefined` otherwise. */
export function nearestName(written: string, known: Iterable<string>): string | undefined {
  let nearest: string | undefined
  let fewest = Number.POSITIVE_INFINITY
  for (const name of known) {
    const changes = distance(written.toLowerCase(), name.toLowerCase())
    if (changes < fewest && changes <= Math.max(1, Math.floor(name.length / 3))) {
      nearest = name
      fewest = changes
    }
  }
  return nearest
}

const longestCompared = 100

/** Levenshtein's: letters to add, drop or replace. */
function distance(a: string, b: string): number {
  if (a.length > longestCompared || b.length > longestCompared) return Number.POSITIVE_INFINITY
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1)
      current.push(Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    previous = current
  }
  return previous[b.length] ?? 0
}
