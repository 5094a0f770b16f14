/** What every page of Gatehouse's own has around it: the head, the bar on top, and who is logged in. */
import { paths } from '#surface/urls.ts'
import { type Html, html } from './html.ts'
import { mark } from './mark.ts'

/** What a page needs to know of the request it answers. */
export interface Frame {
  readonly nonce: string
  /** The address of a file among the assets. */
  readonly asset: (name: string) => string
  /** The username of whoever is logged in. */
  readonly visitor: string | undefined
}

export interface Page {
  readonly title: string
  readonly body: Html
  /** The page's own module among the assets; it runs before the one that all pages have. */
  readonly script?: string
  /** Where no script runs: load again after so many seconds, or go somewhere else. */
  readonly reload?: { readonly after: number; readonly to?: string }
  /** The same for everybody, for an answer that tries again by itself. */
  readonly retry?: { readonly after: number; readonly to: string }
  /** Origins that a form of this page may be redirected to, besides those of every page. */
  readonly formTargets?: readonly string[]
  /** A narrow page is a message or a form; a wide one has lists. */
  readonly isNarrow?: boolean
}

/** A whole document. */
export function renderPage(page: Page, frame: Frame): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${page.title} · Gatehouse</title>
<link rel="icon" href="${frame.asset('icon.svg')}" type="image/svg+xml">
<link rel="stylesheet" href="${frame.asset('gatehouse.css')}" nonce="${frame.nonce}">
${page.retry && html`<meta http-equiv="refresh" content="${page.retry.after};url=${page.retry.to}">`}
${page.reload && html`<noscript>${refresh(page.reload)}</noscript>`}
${[...(page.script === undefined ? [] : [page.script]), 'page.js'].map(
  (name) => html`<script type="module" src="${frame.asset(name)}" nonce="${frame.nonce}"></script>`,
)}
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
${bar(frame.visitor)}
<main id="content" class="${page.isNarrow === true ? 'narrow' : 'wide'}">
<p id="notice" class="banner" role="alert" hidden></p>
${page.body}
</main>
<p id="announcements" class="unseen" role="status"></p>
</body>
</html>
`.toString()
}

function refresh({ after, to }: { readonly after: number; readonly to?: string }): Html {
  return html`<meta http-equiv="refresh" content="${after}${to !== undefined && html`;url=${to}`}">`
}

function bar(visitor: string | undefined): Html {
  return html`<header class="bar">
<a class="brand" href="${paths.console}">${mark(28)}<span>Gatehouse</span></a>
${visitor !== undefined && menu(visitor)}
</header>`
}

function menu(visitor: string): Html {
  return html`<details class="menu">
<summary><span class="unseen">You are </span><span class="initial" aria-hidden="true">${initialOf(visitor)}</span><span class="who">${visitor}</span></summary>
<div class="sheet">
<a href="${paths.whoami}">You and your sessions</a>
<form method="post" action="${paths.logout}"><button>Log out</button></form>
</div>
</details>`
}

/** The first letter or digit behind any prefix of the name. */
export function initialOf(name: string): string {
  const own = name.slice(name.lastIndexOf(':') + 1)
  return (/[\p{L}\p{N}]/u.exec(own)?.[0] ?? '?').toUpperCase()
}
