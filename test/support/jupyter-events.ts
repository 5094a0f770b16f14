/** Server-sent events of a JupyterLab server, by an extension as people install them. */
import { openRequest, type PlainRequest } from './plain-request.ts'

/** `told.py`: events for whoever listens at `told`, one for each message posted. */
export const eventsExtension = `
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

/** `.jupyter/jupyter_server_config.py` of a server that is started beside `told.py`. */
export const eventsConfiguration = `
import sys
sys.path.insert(0, ".")
c.ServerApp.jpserver_extensions = {"told": True}
`

export interface ToldEvents extends AsyncDisposable {
  readonly type: string | undefined
  next(): Promise<string>
}

export async function listen(url: string, init: PlainRequest): Promise<ToldEvents> {
  const { message } = await openRequest(url, { ...init, headers: { ...init.headers, Accept: 'text/event-stream' } })
  message.setEncoding('utf8')
  const chunks = message[Symbol.asyncIterator]()
  return {
    type: message.headers['content-type'],
    next: async () => String((await chunks.next()).value),
    async [Symbol.asyncDispose]() {
      message.destroy()
    },
  }
}
