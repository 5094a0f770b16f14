/** The tables of `test/security`: which test shows which refusal. */

export interface SecurityRow {
  /** Its number in the list of refusals; above a hundred where that list has no such attack. */
  readonly item: number
  readonly attack: string
  /** From `test/`: `security/path-traversal.test.ts`. None where the attack has nothing here that it could be mounted on. */
  readonly files: readonly string[]
  readonly outcome: string
}

/** How long the list is. */
export const listLength = 90

/** What of the list does not exist here: a store of sessions beside the API server. */
export const mayNotApply: ReadonlySet<number> = new Set([86])

const row = /^\|\s*(\d+)\s*\|\s*([^|]+?)\s*\|\s*([^|]+?)\s*\|\s*([^|]+?)\s*\|$/

/** The one table of a file, or what is wrong with a line that looks like a row of it. It is sorted by number, and each number has one row. */
export function readSecurityTable(markdown: string): readonly SecurityRow[] {
  const [table = [], ...others] = blocksOf(markdown.split('\n'))
  if (others.length > 0) throw new Error('there is a second table')
  return rowsOf(table)
}

/** Lines of a table stand together. */
function blocksOf(lines: readonly string[]): readonly (readonly string[])[] {
  const blocks: string[][] = []
  lines.forEach((line, index) => {
    if (!line.startsWith('|')) return
    if (index === 0 || !lines[index - 1]?.startsWith('|')) blocks.push([])
    blocks.at(-1)?.push(line)
  })
  return blocks
}

function rowsOf(lines: readonly string[]): readonly SecurityRow[] {
  let last = 0
  return lines.slice(2).map((line) => {
    const [, number = '', attack = '', files = '', outcome = ''] = row.exec(line) ?? []
    if (number === '') throw new Error(`not a row of the security table: ${line}`)
    const item = Number(number)
    if (item <= last) throw new Error(`row ${item} stands behind row ${last}`)
    last = item
    const doesNotApply = outcome.startsWith('not applicable: ')
    if (doesNotApply !== (files === '–')) throw new Error(`either a file or "not applicable: why": ${line}`)
    return { item, attack, outcome, files: doesNotApply ? [] : files.split(',').map((file) => pathOf(file.trim())) }
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
