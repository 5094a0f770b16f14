/** The page that opens a workspace in a desktop IDE, by links that hold no credential. The console shows its content in a dialog. */
import { type Folder, ides, longestFolder, parseFolder } from '#surface/ide-link.ts'
import type { IdeView, IdeWay } from '#surface/ide-view.ts'
import { idePath, openPath, paths } from '#surface/urls.ts'
import { type Html, html } from '#ui/html.ts'
import type { Page } from '#ui/page.ts'
import { badge, titleOf } from './workspace-list.ts'

export interface IdeOpening {
  readonly view: IdeView
  /** The folder that was asked for. */
  readonly wanted: string | undefined
}

export function idePage(opening: IdeOpening): Page {
  const { view } = opening
  return {
    title: heading(view),
    isNarrow: true,
    body: html`<h1>${heading(view)}</h1>
${content(opening, (text) => html`<h2>${text}</h2>`)}
<p class="ways"><a href="${openPath(view)}">Open it in the browser</a> <a href="${paths.console}">Your workspaces</a></p>`,
  }
}

/** The same in a dialog, which has its own heading and a way to close it. */
export function ideDialog(opening: IdeOpening): Html {
  return html`<div class="dialog-head"><h2>${heading(opening.view)}</h2>
<form method="dialog"><button class="close" aria-label="Close">×</button></form></div>
${content(opening, (text) => html`<h3>${text}</h3>`)}`
}

function heading(view: IdeView): string {
  return `Open ${titleOf(view)} in a desktop IDE`
}

/** `title`: of a part, a level below the heading that stands above all of it. */
function content({ view, wanted }: IdeOpening, title: (text: string) => Html): Html {
  const { namespace, name, ways } = view
  const asked = wanted === undefined ? undefined : parseFolder(wanted)
  const folder = asked ?? parseFolder(homeOf(view))
  const open = ways.filter(({ refusal }) => refusal === undefined)
  return html`<div class="sharing ide">
<p class="soft where"><code>${namespace}/${name}</code></p>
${wanted !== undefined && !asked && html`<p class="banner" role="alert" tabindex="-1">A folder is an absolute path of the workspace, such as ${homeOf(view)}.</p>`}
${view.state === 'Running' ? folder && links(view, open, folder) : notYet(view)}
${refusals(ways)}
${open.length > 0 && folderForm(view, wanted ?? homeOf(view))}
${view.sshRefusal === undefined && setUp(view, title, open.length > 0)}
</div>`
}

function links(view: IdeView, open: readonly IdeWay[], folder: Folder): Html | undefined {
  if (open.length === 0) return undefined
  const place = { alias: view.alias, user: view.user, path: folder }
  const items = open.flatMap(({ ide }, at) => {
    const known = ides.get(ide)
    if (!known) return []
    return [
      html`<li><a class="button quiet" href="${known.link(place)}"${at === 0 && html` data-focus`}>${known.label}</a></li>`,
    ]
  })
  return html`<ul class="row" aria-label="Desktop IDEs">${items}</ul>`
}

function notYet(view: IdeView): Html {
  const { state, canStart } = view
  const way = canStart && state === 'Stopped' ? 'Start it' : 'See how it is'
  return html`<section class="panel ide-wait">
<p class="state">${badge({ state, reason: '' })} <strong tabindex="-1" data-focus>An IDE finds it once it runs.</strong></p>
<p><a class="button" href="${openPath(view)}">${way}</a></p>
</section>`
}

/** Each reason once, with those that it is true of. */
function refusals(ways: readonly IdeWay[]): Html | undefined {
  const byReason = new Map<string, string[]>()
  for (const { ide, refusal } of ways) {
    if (refusal === undefined) continue
    byReason.set(refusal, [...(byReason.get(refusal) ?? []), ides.get(ide)?.label ?? ide])
  }
  if (byReason.size === 0) return undefined
  return html`<ul class="checks refusals">${[...byReason].map(
    ([reason, labels]) =>
      html`<li class="failed"><span>Not in ${labels.length === ways.length ? 'any IDE' : labels.join(', ')}: ${reason}</span></li>`,
  )}</ul>`
}

/** A form of its own, for readers without scripts too. */
function folderForm(view: IdeView, folder: string): Html {
  return html`<form class="question" method="get" action="${idePath(view)}" data-part>
<div class="row"><label for="ide-folder">Folder</label>
<input id="ide-folder" name="folder" value="${folder}" maxlength="${longestFolder}" autocomplete="off" autocapitalize="none" spellcheck="false">
<button class="button quiet">Use it</button></div>
</form>`
}

function setUp({ origin, alias }: IdeView, title: (text: string) => Html, isForIdes: boolean): Html {
  const commands = [
    `curl --fail --output ~/.local/bin/gatehouse ${origin}${paths.cliFile} && chmod +x ~/.local/bin/gatehouse`,
    `gatehouse login ${origin}`,
    'gatehouse config-ssh',
  ]
  return html`<section class="log">
${title('Once on this machine')}
<p class="soft">${isForIdes ? html`The links hold no password: the IDE runs ssh, which these commands teach the way. VS Code needs its Remote-SSH extension; <code>gatehouse doctor</code> says what else is missing.` : 'These commands teach ssh the way.'}</p>
<pre tabindex="0" aria-label="Commands">${commands.join('\n')}</pre>
<p>Then <code>ssh ${alias}</code> works as well.</p>
</section>`
}

/** Where the image's contract has the home of whoever comes by SSH. */
function homeOf({ user }: IdeView): string {
  return user === 'root' ? '/root' : `/home/${user}`
}
