import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startDemo } from '#test/support/demo-process.ts'
import { createLaptopSite } from '#test/support/laptop-site.ts'
import { plainRequest } from '#test/support/plain-request.ts'

test('#87 lines that a full disk has cost are told to who runs Gatehouse, and cost nothing else', async () => {
  await using site = await createLaptopSite({ samples: [] })
  await mkdir(join(site.home, 'logs'), { recursive: true })
  for (const name of ['gatehouse.log', 'audit.log']) await symlink('/dev/full', join(site.home, 'logs', name))
  await using _demo = await startDemo(site)
  const lost = async () => {
    const { body } = await plainRequest(`http://localhost:${site.port + 2}/metrics`)
    return Number(/^gatehouse_lost_log_lines (\d+)$/m.exec(body)?.[1] ?? 0)
  }
  await expect.poll(lost).toBeGreaterThan(0)
  const before = await lost()
  expect((await plainRequest(`http://localhost:${site.port}/.gatehouse/api/v1/workspaces`)).status).toBe(401)
  await expect.poll(lost).toBeGreaterThan(before)
})
