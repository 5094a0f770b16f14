import { mkdir, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { localhostLookup } from '#lib/localhost-lookup.ts'
import { openJupyter } from '#test/support/jupyter-client.ts'
import { notebook, startWorkspace } from '#test/support/laptop-site.ts'
import { openLaptopWorld } from '#test/support/laptop-world.ts'
import { describeWith } from '#test/support/real-parts.ts'

/** An extension of JupyterLab's own server, as people install them: events for whoever listens, one for each message posted. */
const extension = `
import asyncio
from jupyter_server.base.handlers import JupyterHandler
from tornado import web

listeners = set()

class Events(JupyterHandler):
    @web.authenticated
    async def get(self):
        self.set_header("Content-Type", "text/event-stream")
        queue = asyncio.Queue()
        listeners.add(queue)
        queue.put_nowait("begin")
        while True:
            self.write(f"data: {await queue.get()}\\n\\n")
            await self.flush()

    @web.authenticated
    def post(self):
        for queue in listeners:
            queue.put_nowait(self.get_json_body()["say"])
        self.set_status(204)

def _load_jupyter_server_extension(app):
    app.web_app.add_handlers(".*$", [(app.base_url + "told", Events)])
`

const configuration = `
import sys
sys.path.insert(0, ".")
c.ServerApp.jpserver_extensions = {"told": True}
`

describeWith('jupyter', 'a real JupyterLab behind the gateway', () => {
  test('[SP2.4] server-sent events of its server arrive one by one, each before the next is made', async () => {
    await using world = await openLaptopWorld({ samples: ['alice-notebook'] })
    const folder = world.folderOf(notebook)
    await mkdir(join(folder, '.jupyter'), { recursive: true })
    await writeFile(join(folder, 'told.py'), extension)
    await writeFile(join(folder, '.jupyter', 'jupyter_server_config.py'), configuration)
    const alice = await world.as('alice')
    await startWorkspace(world, alice, notebook)
    const base = world.url(notebook)
    const lab = await openJupyter(alice, base)

    await using events = await listen(`${base}told`, lab.fields('told'))
    expect(events.type).toBe('text/event-stream')
    expect(await events.next()).toBe('data: begin\n\n')
    // The next event is made only when the one before has arrived: whatever was held back would never come.
    for (let count = 1; count <= 5; count++) {
      expect((await lab.ask('POST', 'told', { say: `event ${count}` })).status).toBe(204)
      expect(await events.next()).toBe(`data: event ${count}\n\n`)
    }
  }, 60_000)
})

function listen(url: string, headers: Readonly<Record<string, string>>) {
  return new Promise<{ type: string | undefined; next: () => Promise<string> } & AsyncDisposable>((resolve, reject) => {
    const call = request(url, {
      headers: { ...headers, Accept: 'text/event-stream' },
      lookup: localhostLookup,
      agent: false,
    })
    call.once('error', reject)
    call.once('response', (response) => {
      response.setEncoding('utf8')
      const chunks = response[Symbol.asyncIterator]()
      resolve({
        type: response.headers['content-type'],
        next: async () => String((await chunks.next()).value),
        async [Symbol.asyncDispose]() {
          response.destroy()
        },
      })
    })
    call.end()
  })
}
