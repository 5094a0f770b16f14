/** The console: searching, starting and stopping in place, sharing in a dialog, and a list that keeps itself fresh. */
import { announce, notify, post, sentenceOf, useOwnZone, whileVisible, withPart } from './common.js'
import { prepareSharing } from './share.js'

const list = document.getElementById('list')
const stale = document.getElementById('stale')
const shareDialog = document.getElementById('share-dialog')
const stopDialog = document.getElementById('stop-dialog')

const itemsIn = (root) => [...root.querySelectorAll('[data-key]')]
const markupOf = (root) => new Map(itemsIn(root).map((item) => [item.dataset.key, item.outerHTML]))

/* Searching */

const search = document.getElementById('search')

function matches(item, words) {
  const text = item.dataset.search
  return text === undefined || words.every((word) => text.includes(word))
}

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean)
  const found = itemsIn(list).filter((item) => {
    item.hidden = !matches(item, words)
    return item.dataset.search !== undefined && !item.hidden
  })
  for (const group of list.querySelectorAll('[data-group]')) {
    group.hidden = !group.querySelector('[data-key]:not([hidden])')
  }
  document.getElementById('no-match').hidden = words.length === 0 || found.length > 0
  return { count: found.length, isNarrowed: words.length > 0 }
}

search.closest('.search').hidden = false
search.addEventListener('input', () => {
  const { count, isNarrowed } = filter()
  if (isNarrowed) announce(count === 1 ? 'One workspace matches.' : `${count} workspaces match.`)
})
search.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter') return
  const first = list.querySelector('.workspace:not([hidden]) a')
  if (search.value !== '' && first) first.focus()
})
document.addEventListener('keydown', (event) => {
  const isTyping = event.target.closest('input, select, textarea, dialog[open]')
  if (event.key !== '/' || isTyping || event.ctrlKey || event.metaKey || event.altKey) return
  event.preventDefault()
  search.focus()
  search.select()
})

/* Keeping fresh */

let shown = markupOf(list)
let etag = ''

/** Where the focus is, in words that hold for the next markup too. */
function focusIn(root) {
  const element = document.activeElement
  if (!root.contains(element)) return undefined
  const key = element.closest('[data-key]')?.dataset.key
  const label = element.getAttribute('aria-label') ?? element.textContent
  return { key, tag: element.tagName, label }
}

function focusAgain(root, was) {
  if (!was || was.key === undefined) return
  const item = itemsIn(root).find((candidate) => candidate.dataset.key === was.key)
  const candidates = item ? [...item.querySelectorAll('a, button')] : []
  const same = candidates.find(
    (element) =>
      element.tagName === was.tag && (element.getAttribute('aria-label') ?? element.textContent) === was.label,
  )
  const next = same ?? item?.querySelector('.actions a, .actions button') ?? candidates[0]
  next?.focus()
}

function announceChanges(before) {
  const changed = itemsIn(list).filter((item) => {
    const said = before.get(item.dataset.key)
    return said !== undefined && said !== item.dataset.said
  })
  if (changed.length > 0) announce(changed.map((item) => `${item.dataset.title}: ${item.dataset.said}.`).join(' '))
}

/** Only what differs is replaced, so that focus, selection and hovering survive. */
function put(text) {
  const next = document.createElement('template')
  next.innerHTML = text
  const markup = markupOf(next.content)
  const states = new Map(itemsIn(list).map((item) => [item.dataset.key, item.dataset.said]))
  const focus = focusIn(list)
  if ([...markup.keys()].join('\n') === [...shown.keys()].join('\n')) {
    for (const item of itemsIn(list)) {
      const { key } = item.dataset
      if (markup.get(key) === shown.get(key)) continue
      item.replaceWith(itemsIn(next.content).find((candidate) => candidate.dataset.key === key))
    }
  } else list.replaceChildren(next.content)
  shown = markup
  useOwnZone(list)
  filter()
  if (focus && !list.contains(document.activeElement)) focusAgain(list, focus)
  announceChanges(states)
}

async function refresh() {
  try {
    const headers = { accept: 'text/html', ...(etag ? { 'if-none-match': etag } : {}) }
    const response = await fetch(list.dataset.source, { headers, cache: 'no-store' })
    if (response.status === 401) location.reload()
    if (response.ok) {
      etag = response.headers.get('etag') ?? ''
      put(await response.text())
    }
    stale.hidden = response.ok || response.status === 304
  } catch {
    stale.hidden = false
  }
}

const isMoving = () => list.querySelector('[data-state=Starting], [data-state=Stopping]') !== null

whileVisible(async (signal) => {
  // What was loaded is fresh; what was hidden may not be.
  if (performance.now() > 5_000) await refresh()
  while (!signal.aborted) {
    await new Promise((resolve) => setTimeout(resolve, isMoving() ? 1_000 : 5_000))
    if (!signal.aborted) await refresh()
  }
})

/* Starting and stopping */

function asked(name) {
  stopDialog.querySelector('[data-slot=name]').textContent = name
  stopDialog.returnValue = ''
  stopDialog.showModal()
  return new Promise((resolve) => {
    stopDialog.addEventListener('close', () => resolve(stopDialog.returnValue === 'stop'), { once: true })
  })
}

list.addEventListener('submit', async (event) => {
  const form = event.target
  event.preventDefault()
  if (form.dataset.action === 'stop' && !(await asked(form.dataset.name))) return
  const button = form.querySelector('button')
  button.setAttribute('aria-disabled', 'true')
  await post(form)
  button.removeAttribute('aria-disabled')
  await refresh()
})

/* Sharing */

async function fill(request) {
  try {
    const response = await request
    if (response.status === 401) location.reload()
    if (!response.ok && response.status !== 422) {
      notify(await sentenceOf(response))
      shareDialog.close()
      return
    }
    shareDialog.innerHTML = await response.text()
    prepareSharing(shareDialog)
    notify()
    if (!shareDialog.open) shareDialog.showModal()
    const first = shareDialog.querySelector('[role=alert], .fields input, [data-focus]')
    first?.focus()
  } catch {
    notify('Gatehouse does not answer.')
  }
}

const asPart = { headers: { accept: 'text/html' } }

list.addEventListener('click', (event) => {
  const link = event.target.closest('a[data-dialog]')
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return
  event.preventDefault()
  shareDialog.setAttribute('aria-label', link.getAttribute('aria-label'))
  void fill(fetch(withPart(link.getAttribute('href')), asPart))
})

shareDialog.addEventListener('submit', (event) => {
  const form = event.target
  if (form.dataset.part === undefined) return
  event.preventDefault()
  const fields = new URLSearchParams(new FormData(form, event.submitter))
  const action = form.getAttribute('action')
  const isQuestion = form.method === 'get'
  const url = withPart(isQuestion ? `${action}?${fields}` : action)
  void fill(fetch(url, isQuestion ? asPart : { ...asPart, method: 'POST', body: fields }))
})

for (const dialog of [shareDialog, stopDialog]) {
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close())
}
shareDialog.addEventListener('close', () => {
  const label = shareDialog.getAttribute('aria-label')
  shareDialog.replaceChildren()
  for (const link of list.querySelectorAll('a[data-dialog]'))
    if (link.getAttribute('aria-label') === label) link.focus()
  void refresh()
})
