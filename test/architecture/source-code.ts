/** TypeScript as text with what is no code taken out, so that a rule can look for words without being misled by comments and strings. */

/** What may come before a regular expression, and not before a division. */
const beforePattern = /(?:^|[(,=:[!&|?{};<>+~^%*-]|=>|\b(?:return|typeof|case|in|of|await|yield|throw))\s*$/

/** The text with comments, regular expressions and what is in strings replaced by spaces; lines stay where they are. */
export function codeOf(text: string): string {
  let code = ''
  let at = 0
  while (at < text.length) {
    const end = endOfNonCode(text, at, code)
    if (end === at) {
      code += text[at]
      at += 1
    } else {
      code += blank(text.slice(at, end))
      at = end
    }
  }
  return code
}

/** As {@link codeOf}, but strings stay: what a rule about imported names needs. */
export function withoutComments(text: string): string {
  let result = ''
  let at = 0
  while (at < text.length) {
    const end = endOfNonCode(text, at, result)
    const part = text.slice(at, Math.max(end, at + 1))
    result += part.startsWith('//') || part.startsWith('/*') ? blank(part) : part
    at += part.length
  }
  return result
}

function blank(text: string): string {
  const empty = text.replace(/[^\n]/g, ' ')
  // A string stays a pair of quotes: it may be a type.
  const quote = text[0] ?? ''
  return /['"`]/.test(quote) && empty.length > 1 ? quote + empty.slice(2) + quote : empty
}

/** Where the comment, string or pattern that begins at `at` ends; `at` itself where none does. `before` is the code so far. */
function endOfNonCode(text: string, at: number, before: string): number {
  const rest = text.slice(at, at + 2)
  if (rest === '//') return endOr(text, text.indexOf('\n', at))
  if (rest === '/*') return endOr(text, text.indexOf('*/', at) + 2, 2)
  const first = rest[0]
  if (first === "'" || first === '"') return endOfQuoted(text, at)
  if (first === '`') return endOfTemplate(text, at)
  if (first === '/' && beforePattern.test(before.slice(-40))) return endOfPattern(text, at)
  return at
}

function endOr(text: string, end: number, least = 0): number {
  return end < least ? text.length : end
}

function endOfQuoted(text: string, start: number): number {
  const quote = text[start]
  let at = start + 1
  while (at < text.length && text[at] !== quote && text[at] !== '\n') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

/** What stands between `${` and `}` is blanked with the rest: rules that matter are not broken there. */
function endOfTemplate(text: string, start: number): number {
  let at = start + 1
  while (at < text.length && text[at] !== '`') {
    if (text.startsWith('${', at)) at = endOfPlaceholder(text, at)
    else at += text[at] === '\\' ? 2 : 1
  }
  return at + 1
}

function endOfPlaceholder(text: string, start: number): number {
  let at = start + 2
  let depth = 1
  while (at < text.length && depth > 0) {
    if (text[at] === '{') depth += 1
    if (text[at] === '}') depth -= 1
    at = text[at] === '`' ? endOfTemplate(text, at) : at + 1
  }
  return at
}

function endOfPattern(text: string, start: number): number {
  let at = start + 1
  let isInClass = false
  while (at < text.length && text[at] !== '\n' && (isInClass || text[at] !== '/')) {
    if (text[at] === '[') isInClass = true
    else if (text[at] === ']') isInClass = false
    at += text[at] === '\\' ? 2 : 1
  }
  return at + 1
}
