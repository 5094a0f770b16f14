/**
 * The questions of access put to the API server: by SubjectAccessReview, by LocalSubjectAccessReview where the gateway is installed for one
 * namespace, and by upstream's own ConnectionAccessReview. Somebody is asked about with exactly the names and groups of his identity:
 * `system:authenticated` is not among them, since who may log in at the gateway's issuer is by that not known to the cluster.
 */
import { GatewayError, hasCode, messageOf } from '#errors.ts'
import { type Clock, type Milliseconds, sleep } from '#lib/clock.ts'
import { isJsonObject } from '#lib/merge-patch.ts'
import type { Log } from '#observe/log.ts'
import type { Reviewer, ReviewQuestion, ReviewSubject, Verdict } from '#resources/reviewer.ts'
import type { ApiClient } from './api-client.ts'
import { resourcePath } from './resource-path.ts'

export interface AccessReviewOptions {
  readonly client: Pick<ApiClient, 'post'>
  readonly clock: Clock
  readonly log: Log
  /** Where it is installed for some namespaces alone: asks there with a LocalSubjectAccessReview, and of others says no. */
  readonly namespaces?: readonly string[]
}

const authorization = { group: 'authorization.k8s.io', version: 'v1' }
const connection = { group: 'connection.workspace.jupyter.org', version: 'v1alpha1' }

/** An API server that has just started refuses everybody until it has read the rules: asked again before it counts. */
const refusedPauses: readonly Milliseconds[] = [500, 1_500]

/** What Kubernetes RBAC says, or whatever authorizes in this cluster. */
export function subjectAccessReviewer(options: AccessReviewOptions): Reviewer {
  const { namespaces } = options
  return {
    review({ subject, namespace: asked, action }, signal) {
      if (namespaces !== undefined && !namespaces.includes(asked)) return Promise.resolve('denied')
      const namespace = namespaces && asked
      const kind = namespace === undefined ? 'SubjectAccessReview' : 'LocalSubjectAccessReview'
      const body = {
        apiVersion: `${authorization.group}/${authorization.version}`,
        kind,
        ...(namespace === undefined ? {} : { metadata: { namespace } }),
        spec: { ...namesOf(subject), user: subject.username, resourceAttributes: { namespace: asked, ...action } },
      }
      const plural = `${kind.toLowerCase()}s`
      return ask(options, { ...authorization, plural, namespace, body }, { subject, namespace: asked, action }, signal)
    },
  }
}

/**
 * Upstream's answer where a question names a workspace: RBAC, and that the workspace exists and is public or the asker's. Everything else,
 * such as grants that upstream does not know, is asked of `others`.
 */
export function connectionAccessReviewer(options: AccessReviewOptions, others: Reviewer): Reviewer {
  return {
    isPerWorkspace: true,
    review(question, signal) {
      const { subject, namespace, action } = question
      const isConnecting = action.group === connection.group && action.resource === 'workspaceconnections'
      if (!isConnecting || action.name === undefined) return others.review(question, signal)
      const body = {
        apiVersion: `${connection.group}/${connection.version}`,
        kind: 'ConnectionAccessReview',
        metadata: { namespace },
        spec: { ...namesOf(subject), user: subject.username, workspaceName: action.name },
      }
      return ask(options, { ...connection, plural: 'connectionaccessreviews', namespace, body }, question, signal)
    },
  }
}

function namesOf({ uid, groups, extra }: ReviewSubject) {
  return { groups, ...(uid === '' ? {} : { uid }), ...(extra === undefined ? {} : { extra }) }
}

interface Post {
  readonly group: string
  readonly version: string
  readonly plural: string
  readonly namespace: string | undefined
  readonly body: object
}

async function ask(
  { client, clock, log }: AccessReviewOptions,
  { body, ...type }: Post,
  { subject, namespace, action }: ReviewQuestion,
  signal: AbortSignal,
): Promise<Verdict> {
  // A review without a user speaks for groups alone, and an identity without a name is nobody.
  if (subject.username === '') return 'denied'
  try {
    const path = resourcePath(type, { namespace: type.namespace })
    const answer = await againWhenRefused(() => client.post(path, body, { signal }), clock, signal)
    return isAllowed(answer) ? 'allowed' : 'denied'
  } catch (error) {
    signal.throwIfAborted()
    const reason = messageOf(error)
    // One of several servers may be away: who reads the log has to know which question it was.
    if (hasCode(error, 'store_unavailable')) {
      throw new GatewayError('store_unavailable', `${type.plural}: ${reason}`, { cause: error })
    }
    const kind = `${action.verb} ${action.resource}`
    log.error(
      { component: 'reviews', kind, name: namespace, reason },
      'an access review was refused, and counts as a no',
    )
    return 'denied'
  }
}

async function againWhenRefused(post: () => Promise<unknown>, clock: Clock, signal: AbortSignal): Promise<unknown> {
  for (const pause of refusedPauses) {
    try {
      return await post()
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'store_refused') throw error
      await sleep(clock, pause, signal)
    }
  }
  return post()
}

/** Nothing but a plain yes is one: `denied` outweighs it, and so does a workspace that upstream does not find. */
function isAllowed(answer: unknown): boolean {
  const status = isJsonObject(answer) && isJsonObject(answer.status) ? answer.status : {}
  return status.allowed === true && status.denied !== true && status.notFound !== true
}
