/** The provider's own pages: without assets, usable by keyboard alone, and the policy they are sent with. */
import { hash } from 'node:crypto'
import { colours } from '#ui/colours.ts'
import { Html, html } from '#ui/html.ts'
import { mark } from '#ui/mark.ts'

/** A constant, because its hash stands in the policy. */
const style = `${colours}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1rem;background:var(--paper);color:var(--ink)}
main{width:min(26rem,100%);padding:clamp(1.25rem,6vw,2.25rem);border:1px solid var(--line);border-radius:var(--round);background:var(--panel);box-shadow:var(--shadow)}
.mark{display:block;color:var(--accent)}
h1{margin:1rem 0 1.25rem;font-size:1.5rem;line-height:1.2;font-weight:650;letter-spacing:-.015em;text-wrap:balance;overflow-wrap:anywhere}
p{margin:0 0 1rem;overflow-wrap:anywhere}
label{display:grid;gap:.25rem;margin-bottom:1rem;font-weight:500}
input{width:100%;padding:.55rem .75rem;border:1px solid var(--strong-line);border-radius:.5rem;background:var(--panel);color:var(--ink);font:inherit}
button{width:100%;padding:.6rem 1rem;border:1px solid var(--accent);border-radius:.5rem;background:var(--accent);color:var(--on-accent);font:inherit;font-weight:600;cursor:pointer}
button:hover{border-color:var(--accent-deep);background:var(--accent-deep)}
[role=alert]{padding:.75rem 1rem;border:1px solid color-mix(in srgb,var(--bad) 35%,transparent);border-radius:var(--round);background:var(--bad-wash)}
.soft{margin:1.25rem 0 0;padding-top:1rem;border-top:1px solid var(--line);color:var(--soft);font-size:.92rem}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:.5rem}
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

export interface LoginQuestion {
  /** Of the program that asks; `undefined` where it has none. */
  readonly client: string | undefined
  /** What is wrong with the last try. */
  readonly fault?: string
  /** As typed in the last try. */
  readonly username?: string
}

export function loginPage({ client, fault, username = '' }: LoginQuestion): string {
  const title = client === undefined ? 'Log in' : `Log in to ${client}`
  const described = fault !== undefined && html` aria-describedby="fault"`
  const focus = html` autofocus`
  return page(
    title,
    html`${fault !== undefined && html`<p role="alert" id="fault">${fault}</p>`}
<form method="post">
<label>User name
<input id="username" name="username" value="${username}" autocomplete="username" autocapitalize="none" spellcheck="false" required${described}${username === '' && focus}></label>
<label>Password
<input id="password" name="password" type="password" autocomplete="current-password" required${described}${username !== '' && focus}></label>
<button type="submit">Log in</button>
</form>
<p class="soft">This is the identity provider of the laptop mode. Its people and their password were printed when Gatehouse was started.</p>`,
  )
}

/** `wait`: seconds. */
export function tooManyAttempts(wait: number): string {
  return `Too many wrong passwords for this name. Try again in ${wait === 1 ? 'a second' : `${wait} seconds`}.`
}

/**
 * `form` is the provider's own form element, `<form id="op.logoutForm" …>` with a token against forgery in it.
 * `isAsked`: the client has proved that this person's login there is being ended, so nobody has to be asked again.
 */
export function logoutPage(form: string, isAsked: boolean): string {
  const whole = Html.insecurely(form.replace('</form>', '<input type="hidden" name="logout" value="yes"></form>'))
  return page(
    'Log out?',
    html`<p>You will be logged out here, and of every program that you have logged in to from this browser.</p>
${whole}<button type="submit" form="op.logoutForm"${!isAsked && html` autofocus`}>Log out</button>
${isAsked && html`<script>${Html.insecurely(submitNow)}</script>`}`,
  )
}

export function messagePage(title: string, message: string): string {
  return page(title, html`<p>${message}</p>`)
}

/** Of the policy's hash: escaping would change it. */
const styleElement = Html.insecurely(`<style>${style}</style>`)

function page(title: string, content: Html): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · Gatehouse demo identity provider</title>
${styleElement}
</head>
<body>
<main>
${mark(44)}
<h1>${title}</h1>
${content}
</main>
</body>
</html>
`.toString()
}
