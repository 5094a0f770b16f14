/**
 * The one line of ours in the person's own `~/.ssh/config`. Pure; the text is one character a byte, so that whatever else is in the file stays as it is. The
 * line comes before every `Host` and `Match`: behind one it would be a part of that.
 */
import { plainPath } from './config-text.ts'

/** Throws `path_refused`. */
export function includeLine(ownedConfig: string, platform: string): string {
  return `Include "${plainPath(ownedConfig, platform)}"`
}

/** Does ssh read it, whatever host is meant? */
export function hasInclude(text: string, line: string): boolean {
  for (const one of text.split('\n')) {
    if (one.trim() === line) return true
    if (/^\s*(?:host|match)\b/i.test(one)) return false
  }
  return false
}

/** The same text where it is there already. */
export function withInclude(text: string, line: string): string {
  if (hasInclude(text, line)) return text
  const rest = withoutInclude(text, line)
  const end = /^[^\n]*\r\n/.test(rest) ? '\r\n' : '\n'
  // What some editors of Windows begin a file with (U+FEFF in UTF-8).
  const mark = rest.startsWith('\u00ef\u00bb\u00bf') ? rest.slice(0, 3) : ''
  return `${mark}${line}${end}${rest.slice(mark.length)}`
}

export function withoutInclude(text: string, line: string): string {
  return text
    .split(/(?<=\n)/)
    .filter((one) => one.trim() !== line)
    .join('')
}
