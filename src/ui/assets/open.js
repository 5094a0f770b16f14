/** Watches a workspace start, and goes into the app when it is ready. */
import { announce, notify, post, useOwnZone, whileVisible, withPart } from './common.js'

const place = document.getElementById('progress')
place.tabIndex = -1
let shown = normal(place.innerHTML)
let isAsking = false
let isStale = false

/** As the browser would write it, whoever wrote it first. */
function normal(text) {
  const template = document.createElement('template')
  template.innerHTML = text
  return template.innerHTML.trim()
}

/** Three times in half a minute means that the app sends us back here: then it takes a click. */
function mayGo(url) {
  const key = `gatehouse-go ${url}`
  const now = Date.now()
  try {
    const before = JSON.parse(sessionStorage.getItem(key) ?? '[]').filter((time) => now - time < 30_000)
    sessionStorage.setItem(key, JSON.stringify([...before, now]))
    return before.length < 3
  } catch {
    return true
  }
}

function go() {
  const url = place.querySelector('[data-go]')?.dataset.go
  if (!url) return
  if (mayGo(url)) location.replace(url)
  else notify('It is ready, but sent you back here several times. Open it by hand, or stop and start it.')
}

function put(text) {
  if (normal(text) === shown) return
  shown = normal(text)
  const hadFocus = place.contains(document.activeElement)
  const was = place.querySelector('[data-sentence]')?.dataset.sentence
  place.innerHTML = text
  useOwnZone(place)
  const is = place.querySelector('[data-sentence]')?.dataset.sentence
  if (is && is !== was) announce(is)
  if (hadFocus && !place.contains(document.activeElement)) place.focus()
  go()
}

/** One question at a time; what happens meanwhile is asked about after it. */
async function refresh() {
  if (isAsking) {
    isStale = true
    return
  }
  isAsking = true
  try {
    const response = await fetch(withPart(place.dataset.source), { headers: { accept: 'text/html' } })
    if (response.ok) put(await response.text())
    else if (response.status < 500) location.reload()
  } catch {
    // The events come back by themselves, and with them the next question.
  }
  isAsking = false
  if (!isStale) return
  isStale = false
  await refresh()
}

function follow(signal) {
  const events = new EventSource(place.dataset.events)
  events.addEventListener('workspace', refresh)
  events.addEventListener('gone', () => location.reload())
  events.addEventListener('end', () => location.reload())
  events.addEventListener('error', () => events.readyState === EventSource.CLOSED && refresh())
  // Something between here and Gatehouse may hold events back.
  const timer = setInterval(refresh, 10_000)
  signal.addEventListener('abort', () => {
    clearInterval(timer)
    events.close()
  })
}

place.addEventListener('submit', async (event) => {
  event.preventDefault()
  const button = event.target.querySelector('button')
  button.setAttribute('aria-disabled', 'true')
  await post(event.target)
  button.removeAttribute('aria-disabled')
  await refresh()
})

useOwnZone(place)
go()
whileVisible(follow)
