/**
 * Text that came from outside, made fit for a log line: secrets of forms that Gatehouse knows are taken out, control characters are spelled out
 * (CVE-2026-54338, CVE-2025-25294: forged lines and terminal escapes), and the length is bounded.
 *
 * The first line of defence is that only listed fields are logged at all (`log.ts`, `audit.ts`); this is the last one.
 */

/** Characters of one field that reach a log. */
export const longestField = 512
/** Characters that are looked at for secrets; what lies behind them is never printed. */
const scrubWindow = 8192
/** A secret cut off by the window could hide at its end, so that much is dropped. */
const windowMargin = 256

const redacted = '[redacted]'

const parameters = [
  'ticket',
  'code',
  'state',
  'nonce',
  'token',
  'access_token',
  'refresh_token',
  'id_token',
  'id_token_hint',
  'logout_token',
  'client_secret',
  'client_assertion',
  'code_verifier',
  'password',
].join('|')

interface Form {
  readonly pattern: RegExp
  readonly replacement: string
}

// Each pattern is linear: no two adjacent repeated parts can match the same character.
const secretForms: readonly Form[] = [
  { pattern: /-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?/g, replacement: redacted },
  {
    pattern: /\b((?:proxy-)?authorization|(?:set-)?cookie)(["']?\s?[:=]\s?)[^\r\n]+/gi,
    replacement: `$1$2${redacted}`,
  },
  { pattern: /\b(bearer|basic|dpop)\s[\w.~+/=-]{6,}/gi, replacement: `$1 ${redacted}` },
  { pattern: /\beyJ[\w-]{6,}\.[\w-]{6,}(?:\.[\w-]*)*/g, replacement: redacted },
  { pattern: /gatehouse_[\w-]{16,}/g, replacement: redacted },
  { pattern: /(?<![\w-])[\w-]{1,64}\.[\w-]{20,}\.[\w-]{20,}/g, replacement: redacted },
  {
    pattern: new RegExp(String.raw`(?<![\w-])(${parameters})(=|%3d|["']\s?:\s?["']?)[^&\s"'#;,)}]+`, 'gi'),
    replacement: `$1$2${redacted}`,
  },
]

// C0, DEL, C1, soft hyphen-like and bidirectional controls, line and paragraph separators, lone surrogates.
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu

/** `value` without secrets and control characters, at most {@link longestField} characters and a mark of how many are missing. */
export function printable(value: string, longest: number = longestField): string {
  const isWhole = value.length <= scrubWindow
  const clean = scrub(isWhole ? value : value.slice(0, scrubWindow)).replace(unprintable, spellOut)
  const room = isWhole ? longest : Math.min(longest, Math.max(clean.length - windowMargin, 0))
  if (isWhole && clean.length <= room) return clean
  return `${clean.slice(0, room)}… (${value.length} characters)`
}

/** Takes out what has the form of a secret. */
export function scrub(value: string): string {
  return secretForms.reduce((text, form) => text.replace(form.pattern, form.replacement), value)
}

/** The path of a request target, without its query: queries carry codes and tickets. */
export function printablePath(target: string): string {
  const query = target.indexOf('?')
  return printable(query === -1 ? target : target.slice(0, query))
}

const shortSpellings: ReadonlyMap<string, string> = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
])

function spellOut(character: string): string {
  const short = shortSpellings.get(character)
  if (short !== undefined) return short
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
}
