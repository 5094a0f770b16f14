/** A real Chromium on an HTTPS domain: it chooses HTTP/2, asks for a hundred things at once on one connection, and opens its WebSockets beside it. */
import { expect, test } from 'vitest'
import { type EchoApp, echoApp } from '#test/support/echo-app.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { openScene } from './isolation-scene.ts'

const many = 100

describeWith('openssl', 'with certificates of a test authority', () => {
  describeWith('browser', 'in a real Chromium', (program) => {
    test('pages, a hundred requests at once and WebSockets work by HTTP/2 and beside it', async () => {
      await using scene = await openScene(program)
      await using app = await echoApp('nb')
      answerAtOnce(app)
      const { url } = await scene.world.workspace({ name: 'nb', owner: 'alice', apps: { 8888: app } })
      const page = await scene.person('alice')
      await page.goto(url)
      await page.getByRole('heading', { name: 'App' }).waitFor()
      const answers = await page.evaluate<string[]>(`Promise.all(
        Array.from({ length: ${many} }, (_, index) => fetch('/at-once/' + index).then((answer) => answer.text()))
      )`)
      expect(answers).toEqual(Array.from({ length: many }, (_, index) => `/at-once/${index}`))
      const protocols = await page.evaluate<string[]>(`[...new Set(
        [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
          .map((entry) => entry.nextHopProtocol)
      )]`)
      expect(protocols).toEqual(['h2'])
      // RFC 8441 is not offered: a browser opens a connection of HTTP/1.1 for each socket, by itself.
      const echoed = await page.evaluate<string>(`new Promise((resolve, reject) => {
        const socket = new WebSocket(location.origin.replace('https', 'wss') + '/ws')
        socket.onopen = () => socket.send('hello')
        socket.onmessage = ({ data }) => resolve(data)
        socket.onerror = () => reject(new Error('no socket'))
      })`)
      expect(echoed).toBe('hello')
      expect(app.sockets.size).toBe(1)
      await page.goto(`${scene.world.origin}/`)
      await page.getByRole('heading', { name: 'Workspaces' }).waitFor()
      expect(await page.evaluate<string>(`performance.getEntriesByType('navigation')[0].nextHopProtocol`)).toBe('h2')
    }, 60_000)
  })
})

/** A page, and paths that are all answered when the last of them is asked for: by HTTP/1.1, where a host gets six connections, none ever would be. */
function answerAtOnce(app: EchoApp): void {
  const waiting: (() => void)[] = []
  app.answer = ({ url = '' }, response) => {
    if (url === '/') response.writeHead(200, { 'content-type': 'text/html' }).end('<title>app</title><h1>App</h1>')
    else if (!url.startsWith('/at-once/')) return false
    else waiting.push(() => response.end(url))
    if (waiting.length === many) for (const answer of waiting) answer()
    return true
  }
}
