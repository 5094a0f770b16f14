/**
 * What Node's parser lets through by itself, and what becomes of the same bytes at Gatehouse, for somebody who may. Another Node may read
 * otherwise: then the table is made anew with `npx vitest run test/unit/server/node-parser -u`, and each line that changed is thought about.
 */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { askNode, probes, statusOf } from '#test/support/parser-probes.ts'
import { openTenants, settled, type Tenants } from '#test/support/tenants.ts'

const table = join(import.meta.dirname, '..', '..', 'security', 'node-parser.md')

async function askGatehouse({ a, upstreamBytes, world }: Tenants, bytes: string): Promise<string> {
  const before = world.audit.length
  const bytesBefore = upstreamBytes()
  const status = await statusOf(world.port, bytes)
  await settled()
  if (status === 200 || status === 101) {
    if (upstreamBytes() === bytesBefore) return 'answered'
    // Fields that speak for somebody else say `evil`.
    const isLeftOut = /: evil\r/.test(bytes) && !a.app.requests.at(-1)?.rawHeaders.includes('evil')
    return isLeftOut ? 'passed on without it' : 'passed on'
  }
  const reasons = world.audit.slice(before).flatMap((event) => (event.event === 'deny' ? [`\`${event.reason}\``] : []))
  return [status, ...new Set(reasons)].join(' ')
}

/** Without what would end a cell, or can't be seen. */
function cell(text: string): string {
  const visible = text.replace(/[^\x20-\x7e]/g, (letter) => `\\x${letter.charCodeAt(0).toString(16).padStart(2, '0')}`)
  return visible.replaceAll('|', '\\|')
}

const heading = `# What Node's parser accepts

Measured over raw sockets, a connection for each line: what \`http.createServer()\` makes of the bytes when nobody has set it up (the event it tells of,
or the status it answers by itself), and what Gatehouse does with the same bytes from somebody who is logged in (*passed on* to the workspace, or its
answer and the reason in the audit trail). A body that goes wrong is cut off there: the head before it may have been passed on. Node ${process.versions.node.split('.')[0]}, llhttp ${process.versions.llhttp}.
\`test/unit/server/node-parser.test.ts\` measures it again in every run, fails where a line has changed, and writes this file with \`-u\`.

| sent | Node | Gatehouse |
|---|---|---|
`

test("the table says what this Node's parser accepts, and what Gatehouse does with it", {
  timeout: 60_000,
}, async () => {
  await using tenants = await openTenants()
  const { authority: host, cookie } = tenants.a
  const rows: string[] = []
  for (const { name, bytes } of probes) {
    const text = bytes({ host, cookie })
    rows.push(`| ${[cell(name), await askNode(text), await askGatehouse(tenants, text)].join(' | ')} |`)
  }
  expect(rows[0]).toBe('| a plain request | request | passed on |')
  await expect(`${heading}${rows.join('\n')}\n`).toMatchFileSnapshot(table)
})
