/** How many different ones there are in a process. */
const different = 8

/**
 * What takes long to make, such as RSA keys: made a few times, and then given out again in turn, so that those who meet in a test have different ones.
 *
 * @example
 * const keyOfIssuer = inTurn(() => newSigningKey())
 */
export function inTurn<T>(make: () => T): () => T {
  const made: T[] = []
  let turn = 0
  return () => {
    const place = turn % different
    turn += 1
    const found = made[place]
    if (found !== undefined) return found
    const fresh = make()
    made[place] = fresh
    return fresh
  }
}
