/** The page of one workspace on its way to running: start it with one click, watch it start, read why it failed, and on into the app. */
import type { WorkspaceView } from '#surface/messages.ts'
import { api, openPath, paths, sharePath } from '#surface/urls.ts'
import { type Html, html, linkTarget } from '#ui/html.ts'
import { moment } from '#ui/moment.ts'
import type { Page } from '#ui/page.ts'
import { endWarning } from './activity.ts'
import { badge, isMissing, titleOf } from './workspace-list.ts'

export interface Opening {
  readonly view: WorkspaceView
  /** The place in the app that was wanted: its port, when it is not the main one, and the tail of its target. */
  readonly place: { readonly port?: number; readonly path?: string }
  /** The address of that place, and whether it answers. */
  readonly target: { readonly url: string; readonly label: string; readonly isReady: boolean }
  /** The last lines of its output, where it failed and the visitor may read them. */
  readonly log: readonly string[] | undefined
}

export function openPage(opening: Opening): Page {
  const { view, place } = opening
  return {
    title: titleOf(view),
    script: 'open.js',
    isNarrow: true,
    ...reloadOf(opening),
    body: html`<h1>${titleOf(view)}</h1>
<p class="soft where"><code>${view.namespace}/${view.name}</code>${view.owner !== '' && html` <span>of ${view.owner}</span>`}</p>
<div id="progress" data-source="${openPath(view, place)}" data-events="${api.events(view)}">
${progress(opening)}
</div>
<p class="ways"><a href="${paths.console}">Your workspaces</a>${view.can.share && html` <a href="${sharePath(view)}">Share it</a>`}</p>`,
  }
}

/** For browsers without scripts. What is stopped may have been started, by a click that this replica has not heard of yet or by somebody else. */
function reloadOf({ view, target }: Opening): Pick<Page, 'reload'> {
  if (target.isReady) return { reload: { after: 0, to: target.url } }
  switch (view.state) {
    case 'Degraded':
      return {}
    case 'Stopped':
      return { reload: { after: 10 } }
    default:
      return { reload: { after: 3 } }
  }
}

/** What changes while it starts. `data-go`: it is ready, and this is where to. */
export function progress(opening: Opening): Html {
  const { view, target } = opening
  return html`<section class="panel progress" data-state="${view.state}" data-sentence="${sentence(opening)}"${target.isReady && html` data-go="${linkTarget(target.url)}"`}>
<p class="state">${badge(view)} <strong>${sentence(opening)}</strong></p>
${isWaiting(opening) && html`<div class="bar-of-waiting" aria-hidden="true"></div>`}
${reason(view)}
${steps(view)}
${opening.log !== undefined && opening.log.length > 0 && logLines(opening.log)}
${endWarning(view)}
<div class="row">${buttons(opening)}</div>
</section>`
}

function isWaiting({ view, target }: Opening): boolean {
  return view.state === 'Starting' || view.state === 'Stopping' || (view.state === 'Running' && !target.isReady)
}

function sentence({ view, target }: Opening): string {
  switch (view.state) {
    case 'Stopped':
      return view.can.start ? 'It is stopped.' : `It is stopped, and you may not start it${askOwner(view)}.`
    case 'Starting':
      return 'It is starting.'
    case 'Stopping':
      return 'It is stopping.'
    case 'Degraded':
      return isMissing(view) ? 'It cannot run on this machine yet.' : 'It does not work.'
    case 'Running':
      return target.isReady ? 'It is ready.' : `It runs; waiting for ${target.label} to answer.`
  }
}

function askOwner({ owner, mine }: WorkspaceView): string {
  return owner === '' || mine ? '' : `: ask ${owner}`
}

/** While it only goes well, the steps say it all; and that it is stopped is said already, unless it was stopped for a reason. */
function reason(view: WorkspaceView): Html | undefined {
  const { state, reason: code, message } = view
  if (isMissing(view)) return html`<p class="message">${message}</p>`
  const isToldBySteps = state === 'Starting' && code === 'ComputeNotReady' && view.steps.length > 0
  const isPlain = state === 'Running' || isToldBySteps || (state === 'Stopped' && code === 'DesiredStateStopped')
  if (isPlain || message === '') return undefined
  return html`<p class="message ${state}">${message}${!usual.has(code) && html` <code>${code}</code>`}</p>`
}

/** Reasons that every workspace has at some time; any other one is worth looking up. */
const usual: ReadonlySet<string> = new Set(['', 'ComputeNotReady', 'AccessNotReady', 'DesiredStateStopped'])

/** What the message says already is not said again. */
function steps(view: WorkspaceView): Html | undefined {
  const { state, message: said } = view
  if (state === 'Stopped' || isMissing(view)) return undefined
  const all = view.steps.filter(({ message }) => message === '' || !said.includes(message))
  if (all.length === 0) return undefined
  return html`<ol class="steps" aria-label="What has happened so far">${all.map(
    ({ at, kind, reason: code, message }) =>
      html`<li class="${kind}"><span class="when">${moment(at)}</span> <code>${code}</code>${kind === 'warning' && html`<span class="unseen"> (warning)</span>`} ${message}</li>`,
  )}</ol>`
}

function logLines(lines: readonly string[]): Html {
  return html`<details class="log" open>
<summary>The end of its output</summary>
<pre tabindex="0" aria-label="The end of its output">${lines.join('\n')}</pre>
</details>`
}

function buttons({ view, place, target }: Opening): Html {
  const { can, state } = view
  if (target.isReady) return html`<a class="button" href="${linkTarget(target.url)}">Open ${target.label}</a>`
  if (can.start && (state === 'Stopped' || state === 'Degraded')) {
    return html`<form method="post" action="${api.start(view)}" data-action="start">
${place.port !== undefined && html`<input type="hidden" name="port" value="${place.port}">`}
${place.path !== undefined && html`<input type="hidden" name="to" value="${place.path}">`}
<button class="button" autofocus>Start it</button>
</form>`
  }
  if (can.stop && state !== 'Stopping') {
    return html`<form method="post" action="${api.stop(view)}" data-action="stop"><button class="button quiet">Stop it</button></form>`
  }
  return html``
}
