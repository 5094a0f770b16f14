/** The page that says who works in a workspace, and why it is idle or not, with the evidence. The console shows its content in a dialog. */
import type { ActivityView } from '#surface/activity-message.ts'
import type { WorkspaceView } from '#surface/messages.ts'
import { activityPath, api, openPath, paths } from '#surface/urls.ts'
import { type Html, html } from '#ui/html.ts'
import { moment } from '#ui/moment.ts'
import type { Page } from '#ui/page.ts'

const keepText = 'Keep it for an hour'

export function activityPage(view: ActivityView): Page {
  return {
    title: `Activity of ${view.name}`,
    isNarrow: true,
    reload: { after: 30 },
    body: html`<h1>${question(view)}</h1>
${content(view)}
<p class="ways"><a href="${openPath(view)}">Open it</a> <a href="${paths.console}">Your workspaces</a></p>`,
  }
}

/** The same in a dialog, which has its own heading and a way to close it. */
export function activityDialog(view: ActivityView): Html {
  return html`<div class="dialog-head"><h2>${question(view)}</h2>
<form method="dialog"><button class="close" aria-label="Close">×</button></form></div>
${content(view)}`
}

/** Where it is near, on other pages: when it ends, and a way to put that off. */
export function endWarning(view: WorkspaceView): Html | undefined {
  const { ends, namespace, name } = view
  if (!ends?.isNear) return undefined
  return html`<div class="ending"><p class="message Stopping">${sayEnd(ends)} <a href="${activityPath({ namespace, name })}" data-dialog aria-label="Why ${name} stops">Why?</a></p>
${ends.canKeep && html`<form method="post" action="${api.keep(view)}" data-action="keep" data-name="${name}"><button class="button quiet" aria-label="Keep ${name} for an hour">${keepText}</button></form>`}</div>`
}

function question({ verdict }: ActivityView): string {
  return verdict.kind === 'idle' ? 'Why is it idle?' : 'Why is it not idle?'
}

function content(view: ActivityView): Html {
  const { namespace, name, verdict, ends, can, at } = view
  return html`<div class="sharing activity">
<p class="soft where"><code>${namespace}/${name}</code></p>
<section class="panel">
<p class="state" tabindex="-1" data-focus><span class="badge ${badgeOf(view)}">${words.get(verdict.kind) ?? verdict.kind}</span> <strong>${verdict.message}</strong></p>
<p>${ends ? sayEnd(ends) : 'No end of it is known.'}</p>
${can.keep && html`<form method="post" action="${activityPath(view)}" data-part><button class="button quiet">${keepText}</button></form>`}
</section>
${evidence(view)}
<p>${sayPolicy(view)}</p>
<p class="soft">As it was at ${moment(at)}.</p>
</div>`
}

const words: ReadonlyMap<string, string> = new Map([
  ['idle', 'Idle'],
  ['not-idle', 'Not idle'],
  ['unknown', 'Not known'],
])

function badgeOf({ verdict, ends }: ActivityView): WorkspaceView['state'] {
  if (verdict.kind === 'unknown') return 'Degraded'
  return verdict.kind === 'idle' || ends?.isNear ? 'Stopping' : 'Running'
}

function sayEnd({ at, because }: NonNullable<ActivityView['ends']>): Html {
  return because === 'lifetime'
    ? html`It stops at ${moment(at)}, because it may run for no longer, whoever works in it.`
    : html`It stops at ${moment(at)}, unless somebody works in it or something runs.`
}

const labels: ReadonlyMap<string, string> = new Map([
  ['interactive', 'Somebody did something'],
  ['busy', 'Work counts until'],
  ['connected', 'It was open somewhere'],
  ['unknown', 'Something that can’t be told apart'],
  ['terminal', 'A terminal was used'],
  ['kept', 'Kept until'],
])

function evidence({ clocks, startedAt }: ActivityView): Html {
  const rows = clocks.map(
    ({ clock, at, source, user }) =>
      html`<dt>${labels.get(clock) ?? clock}</dt><dd>${moment(at)} <code>${source}</code>${user !== undefined && html` by ${user}`}</dd>`,
  )
  return html`<section aria-label="What is known of it">
<dl class="facts">${rows}${startedAt !== undefined && html`<dt>Started</dt><dd>${moment(startedAt)}</dd>`}</dl>
${rows.length === 0 && startedAt === undefined && html`<p class="soft">Nothing was seen yet.</p>`}
</section>`
}

function sayPolicy({ policy }: ActivityView): Html {
  const { kind, timeoutMinutes, connectedCounts, ignoresPorts, hasEndpoint, pausedUntil, problem } = policy
  const told = problem !== undefined && html` ${problem}`
  if (kind === 'off') return html`Nobody asks that it stops when nobody works in it.${told}`
  if (kind === 'unknown') return html`When it would be idle can’t be known, so it is not stopped.${told}`
  return html`It is idle after ${timeoutMinutes} minutes in which nobody did anything and nothing ran.${
    connectedCounts === true && ' An open tab counts.'
  }${ignoresPorts === true && ' What is done at some of its ports does not count.'}${
    hasEndpoint === true && ' Its app is asked when it was last used.'
  }${
    policy.maxBusyMinutes !== undefined &&
    ` Work counts for ${policy.maxBusyMinutes} minutes after somebody did something, and no longer.`
  }${
    policy.maxLifetimeMinutes !== undefined && ` It runs for ${policy.maxLifetimeMinutes} minutes at most.`
  }${pausedUntil !== undefined && html` Nothing is stopped until ${moment(pausedUntil)}.`}${told}`
}
