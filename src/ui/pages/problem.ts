/**
 * The page of a refusal: what happened in one sentence, what to do, and the number that finds it in the logs. It needs no other file, script
 * or nonce, so that it serves on any host, and is the same for everybody but for that number.
 */
import { hash } from 'node:crypto'
import type { Problem } from '#surface/problem.ts'
import { paths } from '#surface/urls.ts'
import { Html, html, linkTarget } from '#ui/html.ts'
import { mark } from '#ui/mark.ts'
import { answerFields, stillPolicy } from '#ui/policy.ts'
import { problemStyle } from './problem-style.ts'

export interface ProblemPageOptions {
  readonly externalScheme: 'http' | 'https'
  /** Where the console is, as a link from whatever host the page is shown on: `/`, or `https://<domain>/`. */
  readonly home: string
}

export interface RenderedPage {
  /** Flat: name, value, name, value. */
  readonly headers: readonly string[]
  readonly body: string
}

/** A renderer of refused navigations, for any host. Pure: the same problem and id give the same bytes. */
export function problemPages(options: ProblemPageOptions): (problem: Problem, requestId: string) => RenderedPage {
  const fields = new Map([
    ...Object.entries(answerFields(options.externalScheme)),
    ['content-type', 'text/html; charset=utf-8'],
    ['content-security-policy', problemPolicy],
  ])
  // Said by whoever sends it, for every form of refusal.
  fields.delete('cache-control')
  const headers = [...fields].flat()
  return (problem, requestId) => ({ headers, body: problemPage(problem, { requestId, home: options.home }) })
}

export const problemPolicy = stillPolicy(hash('sha256', problemStyle, 'base64'))

export interface ProblemPlace {
  readonly requestId: string
  readonly home: string
  /** Where to try again, when that is not the address of the page itself. */
  readonly retryAt?: string
}

/** A whole document. */
export function problemPage(problem: Problem, place: ProblemPlace): string {
  const { title, detail, faults = [] } = problem
  const retry = isWorthRetrying(problem) && html`<meta http-equiv="refresh" content="${refreshOf(place.retryAt)}">`
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
${retry}
<title>${title} · Gatehouse</title>
<link rel="icon" href="data:,">
${styleElement}
</head>
<body>
<main>
${mark(44)}
<h1>${title}</h1>
${detail !== undefined && html`<p>${detail}</p>`}
${faults.length > 0 && html`<ul>${faults.map(({ field, message }) => html`<li><code>${field}</code> ${message}</li>`)}</ul>`}
<p class="advice">${adviceFor(problem)}</p>
<p class="ways">${wayOut(problem, place)}</p>
<p class="reference"><span>${problem.status}</span> <code>${problem.code}</code> <span>Request <code>${place.requestId}</code></span></p>
</main>
</body>
</html>
`.toString()
}

/** The style is a constant of ours, and its hash is what the policy allows: escaping would change both. */
const styleElement = Html.insecurely(`<style>${problemStyle}</style>`)

function isWorthRetrying({ status }: Problem): boolean {
  return status === 502 || status === 503
}

const retrySeconds = 5

function refreshOf(retryAt: string | undefined): string {
  return retryAt === undefined ? String(retrySeconds) : `${retrySeconds};url=${linkTarget(retryAt)}`
}

function wayOut(problem: Problem, { home, retryAt }: ProblemPlace): Html {
  if (problem.status === 401) return html`<a class="button" href="${linkTarget(loginAt(home))}">Log in</a>`
  return html`${retryAt !== undefined && html`<a class="button" href="${linkTarget(retryAt)}">Try again</a> `}<a${
    retryAt === undefined && html` class="button"`
  } href="${linkTarget(home)}">Go to your workspaces</a>`
}

function loginAt(home: string): string {
  return home.slice(0, -1) + paths.login
}

const byCode: ReadonlyMap<string, string> = new Map([
  [
    'forbidden',
    'If you think that it should be open to you, ask its owner to share it, and check that you are logged in as the right person.',
  ],
  [
    'not_found',
    'Check the address for a typing mistake. If somebody gave it to you, ask whether it is shared with you.',
  ],
  ['foreign_host', 'Gatehouse goes by another name than the one in the address: the link below leads there.'],
  ['cross_origin', 'If you wanted this yourself, do it from its own page.'],
  ['login_loop', 'Your browser may block cookies for this address, or be in a mode that forgets them.'],
  ['not_installed', 'Whoever runs this Gatehouse can install it; the workspace starts by itself after that.'],
])

function adviceFor(problem: Problem): string {
  const own = byCode.get(problem.code)
  if (own !== undefined) return own
  if (isWorthRetrying(problem)) return 'This page tries again by itself in a few seconds.'
  if (problem.status === 401) return 'Log in to go on.'
  if (problem.status < 500) return 'Go back and try again. If it stays like this, pass on the request number below.'
  return 'It was written to the log. If it happens again, tell whoever runs this Gatehouse the request number below.'
}
