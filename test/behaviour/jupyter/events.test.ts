import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openJupyter } from '#test/support/jupyter-client.ts'
import { eventsConfiguration, eventsExtension, listen } from '#test/support/jupyter-events.ts'
import { notebook, startWorkspace } from '#test/support/laptop-site.ts'
import { openLaptopWorld } from '#test/support/laptop-world.ts'
import { describeWith } from '#test/support/real-parts.ts'

describeWith('jupyter', 'a real JupyterLab behind the gateway', () => {
  test('[SP2.4] server-sent events of its server arrive one by one, each before the next is made', async () => {
    await using world = await openLaptopWorld({ samples: ['alice-notebook'] })
    const folder = world.folderOf(notebook)
    await mkdir(join(folder, '.jupyter'), { recursive: true })
    await writeFile(join(folder, 'told.py'), eventsExtension)
    await writeFile(join(folder, '.jupyter', 'jupyter_server_config.py'), eventsConfiguration)
    const alice = await world.as('alice')
    await startWorkspace(world, alice, notebook)
    const base = world.url(notebook)
    const lab = await openJupyter(alice, base)

    await using events = await listen(`${base}told`, { headers: lab.fields('told') })
    expect(events.type).toBe('text/event-stream')
    expect(await events.next()).toBe('data: begin\n\n')
    // The next event is made only when the one before has arrived: whatever was held back would never come.
    for (let count = 1; count <= 5; count++) {
      expect((await lab.ask('POST', 'told', { say: `event ${count}` })).status).toBe(204)
      expect(await events.next()).toBe(`data: event ${count}\n\n`)
    }
  }, 60_000)
})
