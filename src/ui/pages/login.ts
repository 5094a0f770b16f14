/** Logging in and out: choosing where, waiting for an issuer that does not answer, and the end. */
import { loginPath, paths } from '#surface/urls.ts'
import { html } from '#ui/html.ts'
import type { Page } from '#ui/page.ts'

export interface IssuerChoice {
  readonly id: string
  readonly displayName: string
}

export function chooseIssuerPage(issuers: readonly IssuerChoice[], to: string | undefined): Page {
  return {
    title: 'Log in',
    isNarrow: true,
    body: html`<h1>Log in</h1>
<p>Where is your account?</p>
<ul class="choices">${issuers.map(
      ({ id, displayName }) =>
        html`<li><a class="button" href="${loginPath({ issuer: id, ...(to === undefined ? {} : { to }) })}">${displayName === '' ? id : displayName}</a></li>`,
    )}</ul>`,
  }
}

/** Tries again by itself; who is logged in already is not kept from working. */
export function issuerAwayPage(retry: { readonly after: number; readonly to: string }, requestId: string): Page {
  return {
    title: 'The login service does not answer',
    isNarrow: true,
    retry,
    body: html`<h1>The login service does not answer</h1>
<p>Nobody can log in until it does. Whoever is logged in already can go on working.</p>
<p class="soft">This page tries again by itself every ${retry.after} seconds.</p>
<p><a class="button" href="${retry.to}">Try now</a></p>
<p class="reference">Request <code>${requestId}</code></p>`,
  }
}

export function confirmLogoutPage(username: string): Page {
  return {
    title: 'Log out',
    isNarrow: true,
    body: html`<h1>Log out?</h1>
<p>You are logged in as <strong>${username}</strong>. Your workspaces go on running; what this browser has open of them is closed.</p>
<form method="post" action="${paths.logout}" class="row"><button class="button">Log out</button> <a href="${paths.console}">Stay</a></form>`,
  }
}

export const loggedOutPage: Page = {
  title: 'You are logged out',
  isNarrow: true,
  body: html`<h1>You are logged out</h1>
<p>What this browser had open is closed. Your workspaces go on running.</p>
<p><a class="button" href="${paths.console}">Log in again</a></p>`,
}

export interface ConsentQuestion {
  readonly device: string
  readonly username: string
  /** Where the answer goes: the command line that waits on this machine, or {@link paths.cliCode}. */
  readonly redirectUri: string
  /** Sealed; sent back with the decision. */
  readonly form: string
}

export function cliConsentPage({ device, username, redirectUri, form }: ConsentQuestion): Page {
  return {
    title: 'Log in a command line',
    isNarrow: true,
    formTargets: redirectUri === paths.cliCode ? [] : [new URL(redirectUri).origin],
    body: html`<h1>Log in the command line on <q>${device}</q>?</h1>
<p>It will be able to open, start, stop and share workspaces as <strong>${username}</strong>, until you end it on the page of your sessions.</p>
<p class="soft">Agree only if you have just run <code>gatehouse login</code> yourself, on that machine.</p>
<form method="post" action="${paths.cliAuthorize}" class="row">
<input type="hidden" name="form" value="${form}">
<button class="button" name="decision" value="allow">Log it in</button>
<button class="button quiet" name="decision" value="deny">No</button>
</form>`,
  }
}

/** For a command line that no browser can reach; the code is worth nothing to any other one. */
export function cliCodePage(code: string): Page {
  return {
    title: 'Code for the command line',
    isNarrow: true,
    body: html`<h1>One more step</h1>
<p>Copy this code to the command line that waits for it. It is good once, for a minute.</p>
<p><code class="code">${code}</code></p>
<p class="soft">Give it to nobody: whoever asks you for it wants to be logged in as you.</p>`,
  }
}

export const cliDeclinedPage: Page = {
  title: 'The command line is not logged in',
  isNarrow: true,
  body: html`<h1>The command line is not logged in</h1>
<p>You may close this window, and end the command with Ctrl-C.</p>`,
}
