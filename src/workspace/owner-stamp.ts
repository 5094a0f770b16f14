/**
 * How `workspace.jupyter.org/created-by` spells a username: as a JSON string without its quotes, `<`, `>` and `&` escaped too. That is how
 * jupyter-k8s stamps it, and what the admission policy in `config/policies` lets a person write. Most names are spelt as they are.
 */

const needsReading = /["\\\p{Cc}]/u

/** The username that a stamp means; `undefined` for text that no name is spelt as, which owns nothing. */
export function readOwnerStamp(stamp: string): string | undefined {
  if (!needsReading.test(stamp)) return stamp === '' ? undefined : stamp
  try {
    const name: unknown = JSON.parse(`"${stamp}"`)
    return typeof name === 'string' && name !== '' ? name : undefined
  } catch {
    return undefined
  }
}
