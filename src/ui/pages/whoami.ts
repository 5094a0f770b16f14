/** Who Gatehouse takes the visitor for, and what of his is logged in. */
import type { SessionView, WhoamiView } from '#surface/messages.ts'
import { paths } from '#surface/urls.ts'
import { type Html, html } from '#ui/html.ts'
import { moment } from '#ui/moment.ts'
import type { Page } from '#ui/page.ts'
import { sayUserAgent } from '#ui/user-agent.ts'

export function whoamiPage(whoami: WhoamiView, sessions: readonly SessionView[]): Page {
  const { username, uid, groups, issuer, subject, session } = whoami
  return {
    title: 'You and your sessions',
    body: html`<h1>You and your sessions</h1>
<section class="panel" aria-labelledby="identity">
<h2 id="identity">Who you are here</h2>
<dl class="facts">
<dt>User name</dt><dd><code>${username}</code></dd>
<dt>Groups</dt><dd>${groups.length === 0 ? 'none' : groups.map((group) => html`<code class="tag">${group}</code> `)}</dd>
<dt>Logged in at</dt><dd><code>${issuer}</code></dd>
<dt>Known there as</dt><dd><code>${subject}</code></dd>
<dt>User ID</dt><dd><code>${uid}</code></dd>
<dt>Logged in since</dt><dd>${moment(session.createdAt)}</dd>
<dt>Good until</dt><dd>${moment(session.expiresAt)}; renewed by itself until ${moment(session.notAfter)} at most</dd>
</dl>
</section>
<section aria-labelledby="sessions">
<h2 id="sessions">Where you are logged in</h2>
<ul class="sessions">${sessions.map(sessionItem)}</ul>
</section>`,
  }
}

function sessionItem(session: SessionView): Html {
  const { kind, current, userAgent, device, createdAt, notAfter } = session
  const place = kind === 'cli' ? 'Command line' : 'Browser'
  return html`<li class="panel session">
<div>
<h3>${place}${device !== undefined && html` on <q>${device}</q>`}${current && html` <span class="badge Running">this one</span>`}</h3>
<p class="clip" title="${userAgent}">${sayUserAgent(userAgent)}</p>
<p class="soft">Since ${moment(createdAt)}, until ${moment(notAfter)} at most</p>
</div>
${endForm(session)}
</li>`
}

function endForm({ name, current }: SessionView): Html {
  if (current)
    return html`<form method="post" action="${paths.logout}"><button class="button quiet">Log out</button></form>`
  return html`<form method="post" action="${paths.sessionEnd}"><input type="hidden" name="session" value="${name}"><button class="button quiet">End it</button></form>`
}
