/** What the scripts of several pages need: times in the reader's own zone, messages that find him, and posting a form. */

const moments = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })
const times = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' })

/** Puts every time below `root` into the reader's zone; in a list of steps the day goes without saying. */
export function useOwnZone(root) {
  for (const element of root.querySelectorAll('time')) {
    const at = new Date(element.dateTime)
    if (Number.isNaN(at.getTime()) || element.title !== '') continue
    element.title = element.textContent
    element.textContent = (element.closest('.when') ? times : moments).format(at)
  }
}

/** Says something to those who cannot see it change. */
export function announce(text) {
  const place = document.getElementById('announcements')
  if (place) place.textContent = text
}

/** Shows a failure until the next success; without text it goes away. */
export function notify(text = '') {
  const place = document.getElementById('notice')
  if (!place) return
  place.textContent = text
  place.hidden = text === ''
}

/** What a refused request says to people. */
export async function sentenceOf(response) {
  try {
    const { title, detail } = await response.json()
    return detail ?? title ?? `Refused: ${response.status}`
  } catch {
    return `Gatehouse answered with status ${response.status}.`
  }
}

export function withPart(url) {
  return `${url}${url.includes('?') ? '&' : '?'}part`
}

/** Posts a form and answers whether it went well; says why not. */
export async function post(form) {
  try {
    const body = new URLSearchParams(new FormData(form))
    const response = await fetch(form.action, { method: 'POST', body, headers: { accept: 'application/json' } })
    if (response.status === 401) location.reload()
    notify(response.ok ? '' : await sentenceOf(response))
    return response.ok
  } catch {
    notify('Gatehouse does not answer. Nothing was changed.')
    return false
  }
}

/** Calls `run` with a signal that aborts when the page is hidden, and again when it comes back: a hidden page holds no connection. */
export function whileVisible(run) {
  let controller
  const update = () => {
    controller?.abort()
    controller = undefined
    if (document.visibilityState !== 'visible') return
    controller = new AbortController()
    run(controller.signal)
  }
  document.addEventListener('visibilitychange', update)
  addEventListener('pagehide', () => controller?.abort())
  addEventListener('pageshow', (event) => event.persisted && update())
  update()
}
