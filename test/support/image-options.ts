/** The options of Node that the image starts Gatehouse with, as its Dockerfile says, so that what is measured is what runs. */
import { readFileSync } from 'node:fs'

export function imageOptions(): readonly string[] {
  const dockerfile = readFileSync(new URL('../../Dockerfile', import.meta.url), 'utf8')
  const entry = /^ENTRYPOINT \["node", (.*)"\/app\/bin\/gatehouse\.js"\]$/m.exec(dockerfile)?.[1]
  if (entry === undefined) throw new Error('the Dockerfile starts something else')
  return [...entry.matchAll(/"([^"]+)"/g)].map(([, option = '']) => option)
}
