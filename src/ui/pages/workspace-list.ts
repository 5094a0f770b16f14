/** The list of workspaces, as the console shows it and refreshes it piece by piece: each item has a key, and its markup alone says what it shows. */
import type { ManifestProblem, MissingPolicy, WorkspacePortView, WorkspaceView } from '#surface/messages.ts'
import { activityPath, api, idePath, openPath, sharePath } from '#surface/urls.ts'
import { type Html, html, linkTarget } from '#ui/html.ts'
import { initialOf } from '#ui/page.ts'
import { endWarning } from './activity.ts'

/** What the console shows and keeps fresh. */
export interface Overview {
  readonly workspaces: readonly WorkspaceView[]
  readonly problems: readonly ManifestProblem[]
  readonly missingPolicies: readonly MissingPolicy[]
}

export function workspaceList({ workspaces, problems, missingPolicies }: Overview): Html {
  const mine = workspaces.filter((view) => view.mine)
  const others = workspaces.filter((view) => !view.mine)
  return html`${problems.length > 0 && problemBanner(problems)}
${missingPolicies.length > 0 && policyBanner(missingPolicies)}
${workspaces.length === 0 && nothing}
${mine.length > 0 && group('mine', 'Yours', mine)}
${others.length > 0 && group('others', 'Open to you', others)}
<p class="nothing soft" id="no-match" hidden>Nothing matches.</p>`
}

const nothing = html`<p class="nothing" data-key="nothing">There is no workspace of yours, and none is shared with you.</p>`

function problemBanner(problems: readonly ManifestProblem[]): Html {
  const files = new Set(problems.map(({ file }) => file)).size
  const title = files === 1 ? 'One manifest has a problem' : `${files} manifests have problems`
  return html`<section class="banner" role="alert" data-key="problems">
<h2>${title}</h2>
<p>The last good version of each stays in force.</p>
<ul>${problems.map(({ file, line, reason }) => html`<li><code>${file}:${line}</code> ${reason}</li>`)}</ul>
</section>`
}

function policyBanner(missing: readonly MissingPolicy[]): Html {
  const title =
    missing.length === 1 ? 'An admission policy is missing' : `${missing.length} admission policies are missing`
  return html`<section class="banner" role="alert" data-key="policies">
<h2>${title}</h2>
<p>What leans on it is off until it is in force again. Administrators alone see this.</p>
<ul>${missing.map(({ policy, consequence }) => html`<li><code>${policy}</code> ${consequence}</li>`)}</ul>
</section>`
}

function group(id: string, title: string, views: readonly WorkspaceView[]): Html {
  return html`<section class="group" aria-labelledby="group-${id}" data-group="${id}">
<h2 id="group-${id}">${title}</h2>
<ul class="workspaces">${views.map(workspaceItem)}</ul>
</section>`
}

/** What turns the direction of writing around, or cannot be seen at all, could make one name look like another. */
const deceptive = /[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu

export function titleOf({ displayName, name }: Pick<WorkspaceView, 'displayName' | 'name'>): string {
  return displayName.replace(deceptive, ' ').trim() || name
}

function workspaceItem(view: WorkspaceView): Html {
  const { namespace, name, owner, state, reason, message } = view
  const title = titleOf(view)
  const isWordy =
    state === 'Degraded' || state === 'Starting' || (state === 'Stopped' && reason !== 'DesiredStateStopped')
  return html`<li class="panel workspace" data-key="${namespace}/${name}" data-title="${title}" data-state="${state}" data-said="${said(view)}" data-search="${searchText(view)}">
<div class="about">
<h3><a href="${frontOf(view)}">${title}</a> ${badge(view)}</h3>
<p class="soft where"><code>${namespace}/${name}</code>${relation(view)}</p>
${isWordy && message !== '' && html`<p class="message ${isMissing(view) ? 'Missing' : state}">${message}</p>`}
${ports(view)}
${people(view, owner)}
${endWarning(view)}
</div>
<div class="actions">${actions(view)}</div>
</li>`
}

/** What is told to those who can't see it change. */
function said({ state, ends }: WorkspaceView): string {
  return ends?.isNear ? `${state}, but stops soon` : state
}

/** What the search box looks through, in lower case. */
function searchText({ namespace, name, displayName, owner, state, ports }: WorkspaceView): string {
  const labels = ports.filter((port) => port.exposed).map((port) => port.label)
  return [displayName, `${namespace}/${name}`, owner, state, ...labels].join(' ').toLowerCase()
}

export function badge(view: Pick<WorkspaceView, 'state' | 'reason'>): Html {
  if (isMissing(view)) return html`<span class="badge Missing">Not installed</span>`
  return html`<span class="badge ${view.state}">${view.state}</span>`
}

/** Nothing failed: its program is not on this machine, and the message says how it gets there. */
export function isMissing({ state, reason }: Pick<WorkspaceView, 'state' | 'reason'>): boolean {
  return state === 'Degraded' && reason === 'NotInstalled'
}

const grants = { public: 'open to everybody', share: 'shared with you', administrator: 'as an administrator' } as const

function relation({ mine, owner, grant }: WorkspaceView): Html {
  if (mine) return html``
  const how = grant === 'owner' ? 'yours as well' : grants[grant]
  return html` <span>${owner !== '' && `of ${owner}, `}${how}</span>`
}

/** The page that can start it and wait, unless it runs. */
function frontOf(view: WorkspaceView): string {
  return view.state === 'Running' && view.can.open ? linkTarget(view.url) : openPath(view)
}

/** Only where there is more than one to choose from. */
function ports(view: WorkspaceView): Html | undefined {
  const exposed = view.ports.filter((port) => port.exposed)
  if (exposed.length < 2) return undefined
  return html`<ul class="ports" aria-label="Parts of ${titleOf(view)}">${exposed.map(
    (port) => html`<li>${portLink(view, port)}</li>`,
  )}</ul>`
}

function portLink(view: WorkspaceView, port: WorkspacePortView): Html {
  const label = port.label === '' ? port.name : port.label
  if (port.ready) return html`<a class="port" href="${linkTarget(port.url)}">${label}</a>`
  const waits = view.state === 'Stopped' ? 'not running' : 'not ready yet'
  return html`<a class="port off" href="${openPath(view, { port: port.port })}">${label}<span class="unseen">, ${waits}</span></a>`
}

function people({ connected }: WorkspaceView, owner: string): Html | undefined {
  if (connected === undefined || connected.length === 0) return undefined
  return html`<p class="people"><span class="soft">Connected now:</span> ${connected.map(
    ({ user, streams }) =>
      html`<span class="person" title="${streams} open ${streams === 1 ? 'stream' : 'streams'}"><span class="initial" aria-hidden="true">${initialOf(user)}</span>${user}${user === owner && html` <span class="soft">(owner)</span>`}</span> `,
  )}</p>`
}

function actions(view: WorkspaceView): Html {
  const { can, state } = view
  const title = titleOf(view)
  return html`${primary(view, title)}
${can.stop && html`<form method="post" action="${api.stop(view)}" data-action="stop" data-name="${title}"><button class="button quiet" aria-label="Stop ${title}"${state === 'Stopping' && html` disabled`}>Stop</button></form>`}
${can.ssh === true && state === 'Running' && html`<a class="button quiet" href="${idePath(view)}" data-dialog aria-label="Open ${title} in a desktop IDE">Open in …</a>`}
${state === 'Running' && html`<a class="button quiet" href="${activityPath(view)}" data-dialog aria-label="Activity of ${title}">Activity</a>`}
${can.share && html`<a class="button quiet" href="${sharePath(view)}" data-dialog aria-label="Share ${title}">Share</a>`}`
}

function primary(view: WorkspaceView, title: string): Html | undefined {
  const { can, state } = view
  if (can.start && (state === 'Stopped' || state === 'Degraded')) {
    return html`<form method="post" action="${api.start(view)}" data-action="start" data-name="${title}"><button class="button" aria-label="Start ${title}">Start</button></form>`
  }
  if (!can.open || state === 'Stopping' || state === 'Stopped') return undefined
  if (isMissing(view)) return undefined
  const text = state === 'Degraded' ? 'See why' : 'Open'
  return html`<a class="button" href="${frontOf(view)}" aria-label="${text}: ${title}">${text}</a>`
}
