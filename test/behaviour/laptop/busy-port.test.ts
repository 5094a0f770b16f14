import { readdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startDemo } from '#test/support/demo-process.ts'
import { createLaptopSite } from '#test/support/laptop-site.ts'

const sleeper = `apiVersion: workspace.jupyter.org/v1alpha1
kind: Workspace
metadata: {name: sleeper, namespace: alice, annotations: {workspace.jupyter.org/created-by: alice}}
spec: {desiredStatus: Running, containerConfig: {command: [sleep, '600']}}
`

test.each([
  ["the gateway's", 0],
  ["the identity provider's", 1],
  ['the one of operations', 2],
])('a start whose port is taken, %s, says so, ends what it began, and is over', async (_whose, offset) => {
  await using site = await createLaptopSite({ samples: [] })
  await writeFile(join(site.manifests, 'sleeper.yaml'), sleeper)
  const port = site.port + offset
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve))
  try {
    const refusal = new RegExp(
      `ended with 1 before[^]*can't listen on 127\\.0\\.0\\.1 port ${port}:[^]*listen_failed\\)\\n$`,
    )
    await expect(startDemo(site)).rejects.toThrow(refusal)
    expect(await readdir(join(site.home, 'run'))).toEqual([])
  } finally {
    other.close()
  }
})
