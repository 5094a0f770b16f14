/** What the console says to somebody who would open a workspace in a desktop IDE: in which he may, and why not in the others. */

import { ides } from '#surface/ide-link.ts'
import type { IdeView, IdeWay } from '#surface/ide-view.ts'
import { notFound, type Outcome } from '#surface/problem.ts'
import { refKey, type WorkspaceRef } from '#surface/workspace-ref.ts'
import { mayModify } from '#workspace/access.ts'
import { consoleOrigin, type Site } from '#workspace/address.ts'
import { sshRemote } from '#workspace/connections.ts'
import type { WorkspaceEntry } from '#workspace/directory.ts'
import { sshAlias } from '#workspace/ssh-alias.ts'
import { type Actor, acquaint, auditActor, notNow, type PermitParts } from './actor.ts'
import { refusalOfWay, type SshWayParts } from './ssh-way.ts'

export interface IdeDeskParts extends PermitParts, SshWayParts {
  readonly site: Site
  /** What this Gatehouse is called in aliases. */
  readonly deployment: string
  /** Who somebody is within a workspace. */
  readonly user: string
}

export class IdeDesk {
  readonly #parts: IdeDeskParts

  constructor(parts: IdeDeskParts) {
    this.#parts = parts
  }

  /** 404 for those who may not open it. */
  async view(actor: Actor, ref: WorkspaceRef): Promise<Outcome<IdeView>> {
    const known = await acquaint(this.#parts, actor.session.identity, ref)
    if (known.kind === 'unavailable') return { ok: false, problem: notNow }
    if (known.kind === 'knows') return { ok: true, value: this.#viewOf(actor, known.entry) }
    const said = { ...auditActor(actor), workspace: refKey(ref), port: undefined }
    this.#parts.audit.record({ event: 'deny', ...said, reason: known.reason })
    return { ok: false, problem: notFound }
  }

  #viewOf({ session: { identity } }: Actor, entry: WorkspaceEntry): IdeView {
    const { policy, clock, site, deployment, user } = this.#parts
    const { ref, workspace, state } = entry
    const refusalOf = (connectionType: string) => refusalOfWay(this.#parts, entry, identity, connectionType)
    // Whatever the IDE is, what comes by an alias calls itself this.
    const sshRefusal = refusalOf(sshRemote)
    const ways = [...ides].map(([ide, { connectionType }]): IdeWay => {
      const refusal = sshRefusal ?? refusalOf(connectionType)
      return { ide, ...(refusal === undefined ? {} : { refusal }) }
    })
    return {
      ...{ namespace: ref.namespace, name: ref.name, displayName: workspace.spec.displayName },
      ...{ state: state.phase, canStart: mayModify(entry, identity, policy, clock.now()) },
      ...{ origin: consoleOrigin(site), alias: sshAlias(ref, deployment), user, ways },
      ...(sshRefusal === undefined ? {} : { sshRefusal }),
    }
  }
}
