/** The provider's own pages: plain HTML without assets, usable by keyboard alone, and the policy they are sent with. */
import { hash } from 'node:crypto'

const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: Canvas; color: CanvasText }
main { width: min(22rem, 100vw - 2rem) }
h1 { font-size: 1.4rem; margin: 0 0 1rem }
label { display: block; margin: .75rem 0 .25rem }
input, button { box-sizing: border-box; width: 100%; padding: .6rem; font: inherit; border: 1px solid GrayText; border-radius: .4rem }
button { margin-top: 1.25rem; cursor: pointer; background: #1f5fae; color: #fff; border-color: #1f5fae }
[role=alert] { border-inline-start: .25rem solid #c62828; padding: .5rem .75rem }
:focus-visible { outline: 3px solid #5b9bea; outline-offset: 2px }
`
const submitNow = `document.forms[0].submit()`
const sourceOf = (text: string) => `'sha256-${hash('sha256', text, 'base64')}'`

/**
 * For every answer of the provider. `formTargets`: the origins that a posted form may lead to by redirects, which browsers check as well
 * (CSP Level 3 section 6.4.2); `oidc-provider` adds the hashes of its own scripts to `script-src`.
 */
export function contentSecurityPolicy(formTargets: readonly string[]): string {
  return [
    `default-src 'none'`,
    `style-src ${sourceOf(style)}`,
    `script-src ${sourceOf(submitNow)}`,
    `form-action ${["'self'", ...formTargets].join(' ')}`,
    `frame-ancestors 'none'`,
    `base-uri 'none'`,
  ].join('; ')
}

export function loginPage(fault: string | undefined, username: string): string {
  const alert = fault === undefined ? '' : `<p role="alert">${escapeHtml(fault)}</p>`
  const focusName = username === '' ? ' autofocus' : ''
  const focusPassword = username === '' ? '' : ' autofocus'
  return page(
    'Log in',
    `${alert}<form method="post">
<label for="username">User name</label>
<input id="username" name="username" value="${escapeHtml(username)}" autocomplete="username" autocapitalize="none" spellcheck="false" required${focusName}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required${focusPassword}>
<button type="submit">Log in</button>
</form>`,
  )
}

/**
 * `form` is the provider's own form element, `<form id="op.logoutForm" …>` with a token against forgery in it.
 * `isAsked`: the client has proved that this person's login there is being ended, so nobody has to be asked again.
 */
export function logoutPage(form: string, isAsked: boolean): string {
  const whole = form.replace('</form>', '<input type="hidden" name="logout" value="yes"></form>')
  const script = isAsked ? `<script>${submitNow}</script>` : ''
  return page(
    'Log out',
    `${whole}<button type="submit" form="op.logoutForm"${isAsked ? '' : ' autofocus'}>Log out</button>${script}`,
  )
}

export function messagePage(title: string, message: string): string {
  return page(title, `<p>${escapeHtml(message)}</p>`)
}

function page(title: string, content: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escapeHtml(title)} · Gatehouse demo identity provider</title><style>${style}</style></head>
<body><main><h1>${escapeHtml(title)}</h1>${content}</main></body>
</html>
`
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '')
}
