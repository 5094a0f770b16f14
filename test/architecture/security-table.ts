/** The table of `test/security/README.md`: which test shows which refusal. */

export interface SecurityRow {
  readonly items: readonly number[]
  /** From `test/`: `security/two-views-of-a-path.test.ts`. */
  readonly file: string
}

const row = /^\|\s*([\d,\s–-]+?)\s*\|\s*`([^`|]+)`\s*\|\s*([^|]+?)\s*\|$/

/** The rows, or what is wrong with a line that looks like one. */
export function readSecurityTable(markdown: string): readonly SecurityRow[] {
  const lines = markdown.split('\n').filter((line) => line.startsWith('|'))
  return lines.slice(2).map((line) => {
    const [, items = '', file = ''] = row.exec(line) ?? []
    if (file === '') throw new Error(`not a row of the security table: ${line}`)
    return {
      items: items.split(',').flatMap((part) => range(part.trim())),
      file: file.includes('/') ? file : `security/${file}`,
    }
  })
}

function range(text: string): readonly number[] {
  const [first = Number.NaN, last = first] = text.split(/[–-]/).map(Number)
  if (!Number.isInteger(first) || !Number.isInteger(last) || last < first)
    throw new Error(`not a range of items: ${text}`)
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
}
