/** An app answers with the address of another tenant or of the inside of the cluster: browsers may follow it, the gateway never does. */
import { describe, expect, test } from 'vitest'
import { headersOf } from '#test/support/echo-app.ts'
import { requestText, settled, useTenants, websocketFields } from '#test/support/tenants.ts'

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  test('#20 no redirect of an app is followed, nor is any other field by which servers fetch something', async () => {
    const { a, b, ask, world } = tenants()
    const { cookie, prefix, authority: host } = a
    const before = b.app.bytes()
    const places = [
      `http://127.0.0.1:${b.app.port}/`,
      `//127.0.0.1:${b.app.port}/`,
      b.url,
      'http://169.254.169.254/latest/meta-data/',
      `${world.origin}/.gatehouse/logout`,
      'file:///etc/passwd',
    ]
    for (const location of places) {
      for (const status of [301, 302, 303, 307, 308, 201]) {
        a.app.answer = (_request, response) => {
          const fields = { 'X-Accel-Redirect': location, 'X-Sendfile': '/etc/passwd', Refresh: `0; url=${location}` }
          response.writeHead(status, { Location: location, 'Content-Location': location, ...fields })
          response.end('of the app')
          return true
        }
        const answer = await ask(requestText({ target: `${prefix}x`, host, cookie }))
        expect(answer).toMatchObject({ status, body: 'of the app' })
        expect(headersOf(answer, 'location')).toEqual([location])
        expect(headersOf(answer, 'x-accel-redirect')).toEqual([])
        expect(headersOf(answer, 'x-sendfile')).toEqual([])
      }
    }
    a.app.answer = undefined
    await settled()
    expect(b.app.bytes()).toBe(before)
  })

  test('#20 nor one that answers an upgrade', async () => {
    const { a, b, ask } = tenants()
    const { cookie, prefix, authority: host } = a
    const before = b.app.bytes()
    const location = `http://127.0.0.1:${b.app.port}/`
    a.app.answerUpgrade = (_request, socket) => {
      socket.end(`HTTP/1.1 302 Found\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`)
      return true
    }
    const fields = [...websocketFields, 'Origin', `http://${host}`]
    const answer = await ask(requestText({ target: `${prefix}x`, host, cookie, fields }))
    expect(answer.status).toBe(302)
    expect(headersOf(answer, 'location')).toEqual([location])
    a.app.answerUpgrade = undefined
    await settled()
    expect(b.app.bytes()).toBe(before)
  })
})
