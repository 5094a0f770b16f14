/** Secrets that are none: what examples and templates write where a secret belongs. */

/** Characters below which a secret can be guessed. */
const shortest = 16

/** What examples are written with; longer words first, so that none is torn apart by a shorter one. */
const placeholderWords = [
  'placeholder',
  'gatehouse',
  'password',
  'example',
  'replace',
  'default',
  'client',
  'change',
  'secret',
  'insert',
  'super',
  'admin',
  'value',
  'your',
  'here',
  'oidc',
  'test',
  'todo',
  'demo',
  'this',
  'with',
  'the',
  'key',
  'my',
  'me',
  'it',
  'in',
  'to',
  'be',
]

/** Why `value` can't be a secret, in words that don't contain it; `undefined` when nothing speaks against it. */
export function weaknessOf(value: string): string | undefined {
  if (value === '') return 'is empty'
  const letters = value.toLowerCase().replace(/[^a-z]/g, '')
  if (isPlaceholder(letters) || /^[<{$%]/.test(value)) return 'is a placeholder, not a secret'
  if (value.length < shortest) return `has fewer than ${shortest} characters`
  if (new Set(value).size < 5) return 'repeats a few characters'
  return undefined
}

/** Made of such words alone, whatever stands between them: `change-me-change-me`, `my-client-secret-1234`. */
function isPlaceholder(letters: string): boolean {
  return letters !== '' && placeholderWords.reduce((rest, word) => rest.replaceAll(word, ' '), letters).trim() === ''
}
