/** Where the browser comes back to, with browsers that do more than they were asked for. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as after } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { loginListener } from '#cli/login-listener.ts'
import { systemClock } from '#lib/clock.ts'

test('a connection that sends nothing keeps nobody from going on with the code, and the page has come whole', async () => {
  const listener = await loginListener('own-state', { clock: systemClock, signal: new AbortController().signal })
  const { port } = new URL(listener.redirectUri)
  const silent = connect(Number(port), '127.0.0.1')
  const cut = connect(Number(port), '127.0.0.1')
  const ends = [silent, cut].map(
    (socket) => new Promise((resolve) => socket.on('error', () => undefined).once('close', resolve)),
  )
  await Promise.all([once(silent, 'connect'), once(cut, 'connect')])
  cut.write('GET /done?state=own')
  const page = fetch(`${listener.redirectUri}?code=the-code&state=own-state`).then((answer) => answer.text())
  expect(await listener.code).toBe('the-code')
  const disposed = listener[Symbol.asyncDispose]()
  // Far below the minute that Node gives such a connection, and for which the code is good.
  expect(await Promise.race([disposed, after(5000, 'still open')])).toBeUndefined()
  expect(await page).toBe('This machine is logged in. You may close this window.\n')
  await Promise.all(ends)
})
