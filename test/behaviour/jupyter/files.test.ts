import { expect, test } from 'vitest'
import { startDemo } from '#test/support/demo-process.ts'
import { openJupyter } from '#test/support/jupyter-client.ts'
import { download, uploadNoise } from '#test/support/jupyter-files.ts'
import { createLaptopSite, notebook, startWorkspace } from '#test/support/laptop-site.ts'
import { describeWith } from '#test/support/real-parts.ts'

describeWith('jupyter', 'a real JupyterLab behind the gateway', () => {
  test('[SP2.3] 200 MB go up and come down the same, and the gateway does not hold them', async () => {
    await using site = await createLaptopSite({ samples: ['alice-notebook'] })
    await using demo = await startDemo(site)
    const alice = await site.as('alice')
    await startWorkspace(site, alice, notebook)
    const base = site.url(notebook)
    const lab = await openJupyter(alice, base)
    const before = await demo.peakMemory()
    const sent = await uploadNoise(lab, 'big.bin', 200)
    expect(await download(lab, base, 'big.bin')).toEqual(sent)
    expect((await demo.peakMemory()) - before).toBeLessThan(sent.length / 2)
  }, 120_000)
})
