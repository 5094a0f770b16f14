/** The page where a workspace is shared: who has access now, and a form for more. The console shows its content in a dialog. */
import type { Explanation, ShareView, WorkspaceView } from '#surface/messages.ts'
import type { Problem } from '#surface/problem.ts'
import { paths, revokePath, sharePath } from '#surface/urls.ts'
import { type Html, html } from '#ui/html.ts'
import { moment } from '#ui/moment.ts'
import type { Page } from '#ui/page.ts'
import { portForward, sshRemote, webUi } from '#workspace/connections.ts'
import { titleOf } from './workspace-list.ts'

export interface Sharing {
  readonly view: WorkspaceView
  readonly shares: readonly ShareView[]
  /** What was sent and could not be used, to be shown again with the reason. */
  readonly attempt?: { readonly form: URLSearchParams; readonly problem: Problem }
  /** The answer to "may somebody open it?". */
  readonly answer?: { readonly user: string; readonly explanation: Explanation }
}

export function sharingPage(sharing: Sharing): Page {
  return {
    title: `Share ${titleOf(sharing.view)}`,
    script: 'share.js',
    isNarrow: true,
    body: html`<h1>Share ${titleOf(sharing.view)}</h1>
${sharingContent(sharing, html`<h2 id="shares-title">Shared with</h2>`)}
<p class="ways"><a href="${paths.console}">Your workspaces</a></p>`,
  }
}

/** The same in a dialog, which has its own heading and a way to close it. */
export function sharingDialog(sharing: Sharing): Html {
  return html`<div class="dialog-head"><h2>Share ${titleOf(sharing.view)}</h2>
<form method="dialog"><button class="close" aria-label="Close">×</button></form></div>
${sharingContent(sharing, html`<h3 id="shares-title">Shared with</h3>`)}`
}

/** `title`: of the list, a level below the heading that stands above all of it. */
function sharingContent(sharing: Sharing, title: Html): Html {
  const { view, shares } = sharing
  return html`<div class="sharing">
<p class="soft where"><code>${view.namespace}/${view.name}</code>${view.grant === 'public' && html` <span>is open to everybody who can log in.</span>`}</p>
${shareForm(sharing)}
<section aria-labelledby="shares-title">
${title}
${shares.length === 0 ? html`<p class="soft">Nobody yet.</p>` : html`<ul class="shares">${shares.map((share) => shareItem(view, share))}</ul>`}
</section>
${question(sharing)}
</div>`
}

function shareForm({ view, attempt }: Sharing): Html {
  const was = attempt?.form ?? new URLSearchParams()
  const box = (field: string, value: string, text: string) =>
    html`<label class="check"><input type="checkbox" name="${field}" value="${value}"${was.getAll(field).includes(value) && html` checked`}> ${text}</label>`
  return html`<form class="fields" method="post" action="${sharePath(view)}" data-part>
${attempt && faults(attempt.problem)}
<label>People <input name="people" value="${was.get('people') ?? ''}" placeholder="bob, carol" autocomplete="off" autocapitalize="none" spellcheck="false"></label>
<label>Groups <input name="groups" value="${was.get('groups') ?? ''}" placeholder="ds" autocomplete="off" autocapitalize="none" spellcheck="false"></label>
<p class="soft hint">User names and groups as they stand on their own page “You and your sessions”, with commas between them.</p>
<div class="pair">
<label>They may <select name="access">${option('connect', 'open it', was.get('access'))}${option('modify', 'open, start and stop it', was.get('access'))}</select></label>
<label>Until <select name="until">${untilOptions(was.get('until'))}</select></label>
</div>
<label class="date">Date and time <span class="soft" data-zone>(UTC)</span> <input type="datetime-local" name="date" value="${was.get('date') ?? ''}"></label>
<input type="hidden" name="offset" value="0">
${
  view.ports.length > 1 &&
  html`<fieldset><legend>Parts <span class="soft">(none chosen: all)</span></legend>${view.ports.map(
    ({ name, label }) => box('port', name, label === '' ? name : label),
  )}</fieldset>`
}
<fieldset><legend>By <span class="soft">(none chosen: all but forwarded ports)</span></legend>${ways.map(([type, text, more = '']) => box('type', type, text + more))}
<p class="soft hint">Over a forwarded port somebody speaks to the app without Gatehouse in between, and can tell it any name.</p></fieldset>
<div class="row"><button class="button">Share</button></div>
</form>`
}

/** Those that let somebody in by themselves: desktop IDEs come as SSH, through an alias. Of other kinds the command line and the API know. */
const ways: readonly (readonly [type: string, text: string, more?: string])[] = [
  [webUi, 'a browser'],
  [sshRemote, 'SSH', ': a shell and desktop IDEs'],
  [portForward, 'forwarded ports'],
]

function untilOptions(chosen: string | null): readonly Html[] {
  return [
    option('', 'I revoke it', chosen),
    option('hour', 'in an hour', chosen),
    option('day', 'tomorrow', chosen),
    option('week', 'in a week', chosen),
    option('month', 'in 30 days', chosen),
    option('date', 'the date below', chosen),
  ]
}

function option(value: string, text: string, chosen: string | null): Html {
  return html`<option value="${value}"${value === chosen && html` selected`}>${text}</option>`
}

const fieldNames: ReadonlyMap<string, string> = new Map([
  ['grantees', 'People and groups'],
  ['expiresAt', 'Until'],
  ['ports', 'Parts'],
  ['connectionTypes', 'By'],
])

function faults({ title, detail, faults: all = [] }: Problem): Html {
  return html`<div class="banner" role="alert" tabindex="-1"><p>${detail ?? title}</p>${
    all.length > 0 &&
    html`<ul>${all.map(({ field, message }) => html`<li>${fieldNames.get(field) ?? field}: ${message}</li>`)}</ul>`
  }</div>`
}

const rights = { connect: 'may open it', modify: 'may open, start and stop it', own: 'owns it too' } as const

function shareItem(view: WorkspaceView, share: ShareView): Html {
  const { name, grantees, access, ports, connectionTypes, expiresAt, createdBy, status } = share
  const others = share.workspaces.filter((other) => other !== view.name)
  const who = grantees.map((grantee) => grantee.name).join(', ')
  return html`<li>
<div>
<p>${grantees.map(grantee)} ${rights[access]}${ports !== undefined && `, only ${ports.join(', ')}`}${connectionTypes !== undefined && `, only by ${connectionTypes.map(wayOf).join(', ')}`}${expiresAt !== undefined && html`, until ${moment(expiresAt)}`}</p>
<p class="soft">${status.accepted ? html`<span class="badge Running">In force</span>` : html`<span class="badge Degraded">Not in force</span> ${status.message === '' ? status.reason : status.message}`}${createdBy !== '' && ` · by ${createdBy}`}${others.length > 0 && ` · together with ${others.join(', ')}`}</p>
</div>
<form method="post" action="${revokePath(view)}" data-part><input type="hidden" name="share" value="${name}"><button class="button quiet" aria-label="Revoke the share with ${who}">Revoke</button></form>
</li>`
}

function wayOf(type: string): string {
  return ways.find(([known]) => known === type)?.[1] ?? type
}

const kinds = { User: 'person', Group: 'group', ServiceAccount: 'service account' } as const

function grantee({ kind, name, namespace }: ShareView['grantees'][number]): Html {
  return html`<span class="person">${kind !== 'User' && html`<span class="soft">${kinds[kind]}</span> `}${namespace !== undefined && `${namespace}/`}${name}</span> `
}

function question({ view, answer }: Sharing): Html {
  return html`<details class="question"${answer && html` open`}>
<summary>May somebody open it?</summary>
<form class="row" method="get" action="${sharePath(view)}" data-part>
<label class="unseen" for="asked">User name</label><input id="asked" name="user" value="${answer?.user ?? ''}" placeholder="User name" required autocomplete="off" autocapitalize="none" spellcheck="false">
<button class="button quiet">Ask</button>
</form>
${answer && explanationOf(answer)}
</details>`
}

function explanationOf({ user, explanation: { allowed, reason, checks } }: NonNullable<Sharing['answer']>): Html {
  return html`<div role="status">
<p><strong>${user} ${allowed ? 'may open it.' : 'may not open it.'}</strong> ${reason}</p>
<ul class="checks">${checks.map(
    ({ check, passed, detail }) =>
      html`<li class="${passed ? 'passed' : 'failed'}"><span class="unseen">${passed ? 'yes: ' : 'no: '}</span><strong>${check}</strong> ${detail}</li>`,
  )}</ul>
</div>`
}
