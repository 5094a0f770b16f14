/** Gatehouse's mark: a gate, one leaf ajar. */
import { type Html, html } from './html.ts'

export function mark(size: number): Html {
  return html`<svg class="mark" width="${size}" height="${size}" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
<path d="M4 28V14.5C4 8 9.4 3 16 3s12 5 12 11.5V28" fill="none" stroke="currentColor" stroke-width="2.6" stroke-linecap="round"/>
<path d="M9.5 28V15.2c0-3.6 2.9-6.6 6.5-6.6V28z" fill="currentColor" opacity=".32"/>
<path d="M16 8.6c3.6 0 6.5 3 6.5 6.6V24L16 28z" fill="currentColor"/>
<circle cx="18.6" cy="18.6" r="1.15" fill="Canvas"/>
</svg>`
}
