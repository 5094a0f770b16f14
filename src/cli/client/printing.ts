/** How results look: a table for people, or JSON for programs. Whatever came from elsewhere is made fit for a terminal first. */
import { parseUrl } from '#lib/url.ts'
import { printable } from '#observe/printable.ts'
import { usageFault } from './cli-fault.ts'
import type { Output } from './person-io.ts'

export type Format = 'table' | 'json'

/** Of `-o`. Throws `usage`. */
export function parseFormat(text: string): Format {
  if (text === 'table' || text === 'json') return text
  throw usageFault(`-o is table or json, not '${text}'`)
}

/** JSON has its own escapes for what a terminal would obey, but those above U+007F: they are spelled out too. */
export function printJson(out: Output, value: unknown): void {
  const text = JSON.stringify(value, null, 2)
  out.write(`${text.replace(/[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, escaped)}\n`)
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** On a line of its own, in the one form of an address, which has no character that a terminal would obey. */
export function printUrl(out: Output, text: string): void {
  out.write(`${parseUrl(text)?.href ?? printable(text)}\n`)
}

/** Columns as wide as their longest cell; the last one is not padded. */
export function printTable(out: Output, head: readonly string[], rows: readonly (readonly string[])[]): void {
  const lines = [head, ...rows.map((row) => row.map((cell) => (cell === '' ? '-' : printable(cell))))]
  const widths = head.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)))
  for (const line of lines)
    out.write(
      `${line
        .map((cell, at) => padded(cell, widths, at))
        .join('   ')
        .trimEnd()}\n`,
    )
}

function padded(cell: string, widths: readonly number[], at: number): string {
  return at === widths.length - 1 ? cell : cell.padEnd(widths[at] ?? 0)
}

/** Names with what they stand for, one a line; those without a value are left out. */
export function printFields(out: Output, fields: readonly (readonly [string, string | undefined])[]): void {
  const known = fields.flatMap(([name, value]) => (value === undefined || value === '' ? [] : [[name, value] as const]))
  const width = Math.max(...known.map(([name]) => name.length), 0)
  for (const [name, value] of known) out.write(`${name.padEnd(width)}   ${printable(value)}\n`)
}

/** `3m`, `2h`, `5d`: how long it is, to one unit. */
export function span(milliseconds: number): string {
  const seconds = Math.max(Math.round(milliseconds / 1000), 0)
  if (seconds < 120) return `${seconds}s`
  if (seconds < 2 * 3600) return `${Math.round(seconds / 60)}m`
  return seconds < 2 * 86_400 ? `${Math.round(seconds / 3600)}h` : `${Math.round(seconds / 86_400)}d`
}
