/** `/`: the visitor's workspaces, and the list of them alone for the page to refresh. */
import { hash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { ManifestProblem, MissingPolicy, WorkspaceView } from '#surface/messages.ts'
import { paths } from '#surface/urls.ts'
import { consolePage } from '#ui/pages/console.ts'
import { type Overview, workspaceList } from '#ui/pages/workspace-list.ts'
import { sendPage, sendPart } from './answer.ts'
import type { Eventually } from './parameters.ts'
import { type Actor, actorOf, requireSession } from './visitor.ts'

export interface ConsoleRoutes {
  readonly listWorkspaces: (actor: Actor) => Eventually<readonly WorkspaceView[]>
  /** None for those whom it does not concern. */
  readonly manifestProblems: (actor: Actor) => readonly ManifestProblem[]
  /** None for those whom it does not concern. */
  readonly missingPolicies: (actor: Actor) => readonly MissingPolicy[]
}

export async function consoleRoutes(app: FastifyInstance, options: ConsoleRoutes): Promise<void> {
  requireSession(app)
  const overviewFor = async (actor: Actor): Promise<Overview> => ({
    workspaces: await options.listWorkspaces(actor),
    problems: options.manifestProblems(actor),
    missingPolicies: options.missingPolicies(actor),
  })

  app.get(paths.console, async (request, reply) =>
    sendPage(request, reply, consolePage(await overviewFor(actorOf(request)))),
  )

  app.get(paths.workspaceList, async (request, reply) => {
    const list = workspaceList(await overviewFor(actorOf(request)))
    const etag = `"${hash('sha256', list.toString(), 'base64url').slice(0, 22)}"`
    reply.header('etag', etag)
    return request.headers['if-none-match'] === etag ? reply.code(304).send() : sendPart(reply, list)
  })
}
