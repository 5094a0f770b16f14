/** The front page: the visitor's workspaces and those shared with him. */
import { paths } from '#surface/urls.ts'
import { html } from '#ui/html.ts'
import type { Page } from '#ui/page.ts'
import { type Overview, workspaceList } from './workspace-list.ts'

export function consolePage(overview: Overview): Page {
  return {
    title: 'Workspaces',
    script: 'console.js',
    body: html`<div class="head">
<h1>Workspaces</h1>
<search class="search" hidden>
<label class="unseen" for="search">Search workspaces</label>
<input id="search" type="search" placeholder="Search" autocomplete="off" spellcheck="false" aria-keyshortcuts="/" aria-controls="list">
<kbd aria-hidden="true">/</kbd>
</search>
</div>
<p class="banner" id="stale" role="status" hidden>Gatehouse does not answer; what you see here may be old.</p>
<div id="list" data-source="${paths.workspaceList}">
${workspaceList(overview)}
</div>
<dialog id="share-dialog" aria-label="Share"></dialog>
<dialog id="stop-dialog" aria-labelledby="stop-question">
<form method="dialog">
<h2 id="stop-question">Stop <span data-slot="name"></span>?</h2>
<p>Whatever runs in it ends, for everybody who has it open. Saved files stay.</p>
<div class="row"><button class="button danger" value="stop">Stop it</button> <button class="button quiet" value="" autofocus>Keep it running</button></div>
</form>
</dialog>`,
  }
}
