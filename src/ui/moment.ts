/** Points in time, as people read them: in UTC, until a script puts them into the reader's own zone. */
import { type Html, html } from './html.ts'

/** `2026-01-31T09:05:00Z` as `31 Jan 2026, 09:05 UTC`; what is no time is shown as it is. */
export function moment(rfc3339: string): Html {
  const at = new Date(rfc3339)
  const text = Number.isNaN(at.getTime()) ? rfc3339 : `${format.format(at)} UTC`
  return html`<time datetime="${rfc3339}">${text}</time>`
}

const format = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  timeZone: 'UTC',
})
