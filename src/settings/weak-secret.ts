/** Secrets that are none: what examples and templates write where a secret belongs. */

/** Characters below which a secret can be guessed. */
const shortest = 16

const placeholders = [
  'changeme',
  'changeit',
  'replaceme',
  'yoursecret',
  'mysecret',
  'clientsecret',
  'placeholder',
  'insertsecret',
  'examplesecret',
  'defaultsecret',
  'supersecret',
  'password',
  'secret',
  'default',
  'example',
  'gatehouse',
  'admin',
  'test',
  'todo',
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

/** Made of placeholder words alone, one after the other: `change-me-change-me`, `secret-password-1234`. */
function isPlaceholder(letters: string): boolean {
  if (letters === '') return false
  const rest = placeholders.reduce((text, word) => text.replaceAll(word, ''), letters)
  return rest === ''
}
