/** The form of a share, on its own page and in the console's dialog. */
import { useOwnZone } from './common.js'

/** Says which zone the date is in, and sends it along. */
export function prepareSharing(root) {
  useOwnZone(root)
  const form = root.querySelector('form.fields')
  if (!form) return
  const zone = form.querySelector('[data-zone]')
  if (zone) zone.textContent = `(${Intl.DateTimeFormat().resolvedOptions().timeZone})`
  const { date, offset } = form.elements
  date.addEventListener('change', () => {
    const minutes = -new Date(date.value).getTimezoneOffset()
    offset.value = Number.isNaN(minutes) ? '0' : String(minutes)
  })
}

const page = document.querySelector('main > .sharing')
if (page) {
  prepareSharing(page)
  page.querySelector('[role=alert]')?.focus()
}
