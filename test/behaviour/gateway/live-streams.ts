/** What somebody may have open at a workspace at one time: a WebSocket, server-sent events, and a download that takes long. */
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import type { EchoApp } from '#test/support/echo-app.ts'
import { type LiveAnswer, liveRequest } from '#test/support/plain-request.ts'
import { openSocket, type WorkspaceSocket } from '#test/support/workspace-socket.ts'
import { cookieFor } from './scene.ts'

/** Every answer but that of `/front` goes on for ever, a little at a time. */
export function neverEnd(app: EchoApp): void {
  app.answer = (request, response) => {
    if (request.url?.endsWith('/front')) {
      response.end('front')
      return true
    }
    const isEvents = request.url?.endsWith('/events') === true
    response.writeHead(200, { 'content-type': isEvents ? 'text/event-stream' : 'application/octet-stream' })
    const timer = setInterval(() => response.write(isEvents ? 'data: tick\n\n' : 'some of it '), 20)
    response.once('close', () => clearInterval(timer))
    return true
  }
}

export interface LiveStreams extends Disposable {
  readonly socket: WorkspaceSocket
  readonly events: LiveAnswer
  readonly download: LiveAnswer
  /** All three still work: each brings something new. */
  work(): Promise<boolean>
}

export async function openStreams(browser: ScriptedBrowser, url: string): Promise<LiveStreams> {
  const page = await browser.open(`${url}front`)
  if (page.status !== 200) throw new Error(`not let in: ${page.status}`)
  const headers = cookieFor(browser, url)
  const socket = await openSocket(browser, `${url}ws`)
  const [events, download] = await Promise.all([
    liveRequest(`${url}events`, { headers }),
    liveRequest(`${url}download`, { headers }),
  ])
  const grows = async (answer: LiveAnswer) => {
    const before = answer.text().length
    for (let tries = 0; tries < 100 && answer.isOpen(); tries++) {
      if (answer.text().length > before) return true
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return false
  }
  return {
    socket,
    events,
    download,
    async work() {
      if (!socket.isOpen()) return false
      const echoed = await socket.ask('still there?').then(String)
      return echoed === 'still there?' && (await grows(events)) && (await grows(download))
    },
    [Symbol.dispose]() {
      for (const stream of [socket, events, download]) stream[Symbol.dispose]()
    },
  }
}
