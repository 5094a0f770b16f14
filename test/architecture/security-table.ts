/** The table of `test/security/README.md`: which test shows which refusal. */

export interface SecurityRow {
  /** Its number in the list of refusals. */
  readonly item: number
  readonly attack: string
  /** From `test/`: `security/path-traversal.test.ts`. */
  readonly files: readonly string[]
  readonly outcome: string
}

const row = /^\|\s*(\d+)\s*\|\s*([^|]+?)\s*\|\s*([^|]+?)\s*\|\s*([^|]+?)\s*\|$/

/** The rows, or what is wrong with a line that looks like one. They are sorted by number, and each number has one. */
export function readSecurityTable(markdown: string): readonly SecurityRow[] {
  const lines = markdown.split('\n').filter((line) => line.startsWith('|'))
  let last = 0
  return lines.slice(2).map((line) => {
    const [, number = '', attack = '', files = '', outcome = ''] = row.exec(line) ?? []
    if (number === '') throw new Error(`not a row of the security table: ${line}`)
    const item = Number(number)
    if (item <= last) throw new Error(`row ${item} stands behind row ${last}`)
    last = item
    return { item, attack, files: files.split(',').map((file) => pathOf(file.trim())), outcome }
  })
}

function pathOf(cell: string): string {
  const [, file] = /^`([^`]+)`$/.exec(cell) ?? []
  if (file === undefined) throw new Error(`not a file of the security table: ${cell}`)
  return file.includes('/') ? file : `security/${file}`
}

/** The numbers with which the titles of a test file begin: `#3 …`, `#3 #7 …`. */
export function itemsInTitles(text: string): ReadonlySet<number> {
  const titles = [...text.matchAll(/['"`]((?:#\d+ )+)/g)]
  return new Set(titles.flatMap(([, items = '']) => [...items.matchAll(/\d+/g)].map(Number)))
}
