/**
 * What a page can try against another origin, as scripts that run in it. Readings return what could be read; changes send something.
 * Each is the source of an async function of a {@link Target}, for there is nothing else that a page runs.
 */

/** `isApp`: a workspace that serves the same secret in every form below `url`; else one URL of Gatehouse's own. */
export interface Target {
  readonly url: string
  readonly isApp: boolean
}

/** The endings under which an app of these tests serves its secret. */
export const forms = ['txt', 'js', 'mjs', 'css', 'svg', 'html', 'sse'] as const
export type Form = (typeof forms)[number]

/** What an app that keeps a secret answers with, under each ending; careless enough to let every origin read it. */
export function bodyOf(form: Form, secret: string): { readonly type: string; readonly body: string } {
  switch (form) {
    case 'txt':
      return { type: 'text/plain', body: secret }
    case 'js':
      return { type: 'text/javascript', body: `self.stolen = ${JSON.stringify(secret)}` }
    case 'mjs':
      return { type: 'text/javascript', body: `export const stolen = ${JSON.stringify(secret)}` }
    case 'css':
      return { type: 'text/css', body: `:root { --stolen: ${secret} }` }
    case 'svg':
      return { type: 'image/svg+xml', body: `<svg xmlns="http://www.w3.org/2000/svg" width="42" height="42"/>` }
    case 'html':
      return { type: 'text/html', body: `<!doctype html><title>${secret}</title><p>${secret}</p>` }
    case 'sse':
      return { type: 'text/event-stream', body: `data: ${secret}\n\n` }
  }
}

/** Defined in the page before anything is tried. */
export const tools = `
  window.at = (target, form) => target.isApp ? target.url + 'secret.' + form : target.url
  window.socketUrl = (target) => target.url.replace(/^http/, 'ws')
  window.soon = (promise, time = 4000) => Promise.race([
    promise,
    new Promise((resolve) => setTimeout(resolve, time, 'nothing came')),
  ])
  window.added = (tag, attributes) => new Promise((resolve, reject) => {
    const element = Object.assign(document.createElement(tag), attributes)
    element.onload = () => resolve(element)
    element.onerror = () => reject(new Error('not loaded'))
    document.body.append(element)
  })
  window.opened = async (target) => {
    const other = window.open(at(target, 'html'), '_blank')
    for (let tries = 0; tries < 15; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 100))
      try {
        if (other.location.href !== 'about:blank' && other.document.readyState === 'complete') break
      } catch {}
    }
    return other
  }
  window.textOf = (document) => document.documentElement.textContent
`

/** By name; the value that comes back holds the secret where reading worked. */
export const readings: ReadonlyMap<string, string> = new Map([
  ['fetch with cookies', `(target) => fetch(at(target, 'txt'), { credentials: 'include' }).then((it) => it.text())`],
  ['fetch without cookies', `(target) => fetch(at(target, 'txt'), { credentials: 'omit' }).then((it) => it.text())`],
  [
    'fetch of the opaque kind',
    `(target) => fetch(at(target, 'txt'), { mode: 'no-cors', credentials: 'include' }).then((it) => it.text())`,
  ],
  [
    'fetch through a worker',
    `(target) => new Promise((resolve, reject) => {
    const source = "onmessage = ({ data }) => fetch(data, { credentials: 'include' })" +
      ".then((it) => it.text()).then(postMessage, () => postMessage('refused'))"
    const worker = new Worker(URL.createObjectURL(new Blob([source])))
    worker.onmessage = ({ data }) => resolve(data)
    worker.onerror = reject
    worker.postMessage(at(target, 'txt'))
  })`,
  ],
  [
    'fetch through a service worker',
    `async (target) => {
    const { active } = await navigator.serviceWorker.register('worker.js').then(() => navigator.serviceWorker.ready)
    const { port1, port2 } = new MessageChannel()
    const answer = new Promise((resolve) => { port1.onmessage = ({ data }) => resolve(data) })
    active.postMessage(at(target, 'txt'), [port2])
    return answer
  }`,
  ],
  [
    'XMLHttpRequest',
    `(target) => new Promise((resolve, reject) => {
    const call = new XMLHttpRequest()
    call.open('GET', at(target, 'txt'))
    call.withCredentials = true
    call.onload = () => resolve(call.responseText)
    call.onerror = reject
    call.send()
  })`,
  ],
  [
    'script element',
    `async (target) => {
    self.stolen = undefined
    await added('script', { src: at(target, 'js') })
    return self.stolen
  }`,
  ],
  ['module', `async (target) => (await import(at(target, 'mjs'))).stolen`],
  [
    'script of a worker',
    `(target) => new Promise((resolve, reject) => {
    const source = 'onmessage = ({ data }) => { try { importScripts(data) } catch {} postMessage(self.stolen) }'
    const worker = new Worker(URL.createObjectURL(new Blob([source])))
    worker.onmessage = ({ data }) => resolve(data)
    worker.onerror = reject
    worker.postMessage(at(target, 'js'))
  })`,
  ],
  [
    'stylesheet',
    `async (target) => {
    const link = await added('link', { rel: 'stylesheet', href: at(target, 'css') })
    const value = getComputedStyle(document.documentElement).getPropertyValue('--stolen')
    link.remove()
    return value
  }`,
  ],
  [
    'iframe',
    `async (target) => {
    const frame = await soon(added('iframe', { src: at(target, 'html') }), 2000)
    return textOf(frame.contentDocument)
  }`,
  ],
  [
    'object',
    `async (target) => textOf((await soon(added('object', { data: at(target, 'html') }), 2000)).contentDocument)`,
  ],
  [
    'window of its own',
    `async (target) => {
    const other = await opened(target)
    try { return textOf(other.document) } finally { other.close() }
  }`,
  ],
  [
    'event stream',
    `(target) => new Promise((resolve, reject) => {
    const events = new EventSource(at(target, 'sse'), { withCredentials: true })
    events.onmessage = ({ data }) => { events.close(); resolve(data) }
    events.onerror = () => { events.close(); reject(new Error('refused')) }
  })`,
  ],
  [
    'WebSocket',
    `(target) => new Promise((resolve, reject) => {
    const socket = new WebSocket(socketUrl(target))
    socket.onopen = () => socket.send('tell')
    socket.onmessage = ({ data }) => { socket.close(); resolve(data) }
    socket.onerror = reject
  })`,
  ],
])

/** The service worker of a page that attacks. */
export const worker = `
  onmessage = ({ data, ports: [port] }) => fetch(data, { credentials: 'include' })
    .then((it) => it.text())
    .then((text) => port.postMessage(text), () => port.postMessage('refused'))
`

/** Nothing is read by these, but that it went well at all says something. */
export const presences: ReadonlyMap<string, string> = new Map([
  [
    'service worker of their script',
    `async (target) => 'scope ' + (await navigator.serviceWorker.register(at(target, 'js'))).scope`,
  ],
  ['image', `async (target) => 'width ' + (await added('img', { src: at(target, 'svg') })).naturalWidth`],
])

/** Each sends to `target.url` itself, by POST where nothing else is said. */
export const changes: ReadonlyMap<string, string> = new Map([
  [
    'fetch of the opaque kind',
    `(target) => fetch(target.url, { method: 'POST', mode: 'no-cors', credentials: 'include', body: 'changed=1' })`,
  ],
  [
    'fetch of a form',
    `(target) => fetch(target.url, {
    method: 'POST', mode: 'no-cors', credentials: 'include', body: new URLSearchParams({ people: 'mallory', changed: '1' }),
  })`,
  ],
  [
    'fetch of JSON',
    `(target) => fetch(target.url, {
    method: 'POST', credentials: 'include', headers: { 'content-type': 'application/json' },
    body: '{"grantees":[{"kind":"User","name":"bob"}]}',
  })`,
  ],
  ['fetch by PUT', `(target) => fetch(target.url, { method: 'PUT', credentials: 'include', body: 'changed' })`],
  ['fetch by DELETE', `(target) => fetch(target.url, { method: 'DELETE', credentials: 'include' })`],
  [
    'XMLHttpRequest',
    `(target) => new Promise((resolve, reject) => {
    const call = new XMLHttpRequest()
    call.open('POST', target.url)
    call.withCredentials = true
    call.onload = resolve
    call.onerror = reject
    call.send('changed')
  })`,
  ],
  ['beacon', `async (target) => navigator.sendBeacon(target.url, new URLSearchParams({ people: 'mallory' }))`],
  [
    'form in a frame',
    `(target) => new Promise((resolve) => {
    const frame = Object.assign(document.createElement('iframe'), { name: 'frame' + Math.random() })
    document.body.append(frame)
    frame.onload = resolve
    const form = Object.assign(document.createElement('form'), { method: 'post', action: target.url, target: frame.name })
    form.append(Object.assign(document.createElement('input'), { name: 'people', value: 'mallory' }))
    document.body.append(form)
    form.submit()
  })`,
  ],
  [
    'form in a window',
    `async (target) => {
    const other = window.open('about:blank', 'window' + Math.random())
    for (const enctype of ['text/plain', 'multipart/form-data', 'application/x-www-form-urlencoded']) {
      const form = Object.assign(document.createElement('form'), { method: 'post', enctype, action: target.url, target: other.name })
      form.append(Object.assign(document.createElement('input'), { name: 'people', value: 'mallory' }))
      document.body.append(form)
      form.submit()
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
    other.close()
  }`,
  ],
])
