/** The gateway of a cluster: the API server for a store, pods for instances, RBAC for a reviewer, and a WorkspaceManager for its settings. */
import { randomUUID } from 'node:crypto'
import { lookup as systemLookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { GatewayError } from '#errors.ts'
import { sessionKind } from '#identity/session-record.ts'
import { type Clock, sleep } from '#lib/clock.ts'
import { together } from '#lib/together.ts'
import type { Audit } from '#observe/audit.ts'
import type { Log } from '#observe/log.ts'
import { createMetrics, type Metrics } from '#observe/metrics.ts'
import { lead } from '#operator/leader.ts'
import type { Resources } from '#resources/contract.ts'
import { connectionAccessReviewer, subjectAccessReviewer } from '#resources/kubernetes/access-review.ts'
import { type ApiAccess, inClusterAccess, kubeconfigAccess } from '#resources/kubernetes/api-access.ts'
import { type ApiClient, openApiClient } from '#resources/kubernetes/api-client.ts'
import { writeEvent } from '#resources/kubernetes/event-writer.ts'
import { type HeartbeatKind, keepBeating } from '#resources/kubernetes/heartbeat.ts'
import { kubernetesResources } from '#resources/kubernetes/kubernetes-resources.ts'
import { ServerClock } from '#resources/kubernetes/server-clock.ts'
import type { Reviewer } from '#resources/reviewer.ts'
import { openPodRuntime } from '#runtime/pods/pod-runtime.ts'
import type { Secrets, Settings } from '#settings/settings.ts'
import { shareKind } from '#workspace/share.ts'
import { leaveLinks, openAgents } from './agents.ts'
import { endAfter } from './end-after.ts'
import { type OpenGateway, openManagedGateway } from './gateway.ts'
import type { Ground } from './ground.ts'
import { machineIssuers, podTokensOf } from './machines.ts'
import { Policies } from './policies.ts'
import { tellPolicies } from './policy-condition.ts'
import { serve } from './serving.ts'
import { housekeepingLease, wireForms } from './wire-forms.ts'

export interface ClusterParts {
  readonly settings: Settings
  readonly secrets: Secrets
  /** `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT` of a pod. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  readonly log: Log
  readonly audit: Audit
  /** Of log and audit trail, that could not be written so far. */
  readonly lostLines: () => number
  /** That nobody caught, by kind, so far. */
  readonly faults: () => ReadonlyMap<string, number>
  /** How names of issuers are resolved; as the system does if absent. */
  readonly lookup?: LookupFunction
  /** Ends everything at once. */
  readonly signal: AbortSignal
}

export interface Cluster {
  readonly gateway: OpenGateway
  /** Takes nothing new, lets requests come to their end within the grace, and tells sockets to come back. */
  drain(impatient: AbortSignal): Promise<void>
  /** After the signal: nothing is listened on or asked for any more. */
  readonly ended: Promise<void>
}

const longAgo = '2000-01-01T00:00:00Z'
const nobody = 'system:gatehouse-heartbeat'

/** Of what authorises and is ours to write; each over long ago, and somebody's who is nobody. */
const heartbeats: readonly HeartbeatKind[] = [
  {
    kind: shareKind,
    spec: { workspaces: [{ name: 'none' }], grantees: [{ kind: 'User', name: nobody }], expiresAt: longAgo },
  },
  {
    kind: sessionKind,
    spec: {
      ...{ kind: 'browser', issuer: 'none', subject: nobody, username: nobody, uid: 'none', groups: [], userAgent: '' },
      ...{ createdAt: longAgo, expiresAt: longAgo, notAfter: longAgo },
    },
  },
]

type Keeper = NonNullable<Ground['keepHouse']>

/** A start that fails has ended all it began. */
export async function openCluster(wish: ClusterParts): Promise<Cluster> {
  const failed = new AbortController()
  const signal = AbortSignal.any([wish.signal, failed.signal])
  const parts = { ...wish, signal }
  const { settings, clock, log, lookup = systemLookup } = parts
  const metrics = createMetrics()
  metrics.gauge('lost-log-lines', parts.lostLines)
  metrics.gauge('faults', parts.faults)
  const access = accessOf(parts)
  // Outlives the rest, which still writes while it ends.
  const life = new AbortController()
  const serverClock = new ServerClock(clock)
  const client = openApiClient({ access, clock, serverClock, signal: life.signal })
  const resources = storeOf(client, settings, log, metrics)
  const { origin } = await access.current()
  const agents = await openAgents({ ...parts, resources, host: parts.env.GATEHOUSE_POD_IP })
  const runtime = openPodRuntime({
    ...{ client, origin, clock, log, signal },
    namespaces: namespacesOf(settings),
    agents,
    onInterruption: (kind) => metrics.watchInterruptions(kind).add(),
    onUnreadable: (kind) => metrics.unreadableObjects(kind).add(),
  })
  const policies = new Policies({ ...parts, client })
  const open = openManagedGateway({
    ...{ ...parts, resources, runtime, metrics, lookup },
    dial: (endpoint, dialing, reading, hold) => runtime.dial(endpoint, dialing, reading, hold),
    reviewer: reviewerOf(client, parts),
    machines: machineIssuers({ ...parts, client, lookup }),
    podTokens: podTokensOf(client, clock),
    ...(agents ? { agents } : {}),
    authorshipOf: (share) => policies.authorshipOf(share),
    trust: policies.trust,
    aheadOfStore: () => serverClock.ahead(),
    missingPolicies: () => policies.missing(),
    manifestProblems: () => [],
    announceStop: (workspace, message) => writeEvent({ client, clock }, workspace, { reason: 'IdleShutdown', message }),
    ...(settings.load.enabled ? { readLoad: runtime.load } : {}),
    ...(parts.env.GATEHOUSE_POD ? { replica: parts.env.GATEHOUSE_POD } : {}),
    keepHouse: housekeeper(parts, { client, resources, policies }),
  })
  metrics.gauge('policies', () => policies.figures())
  policies.subscribe(() => open.reconsider())
  open.tasks.run('policies', (ending) => policies.follow(ending))
  const known = Promise.all([open.keyRing.ready, open.sessions.ready, policies.known])
  const serving = await serve({ settings, open, metrics, clock, log, signal }, known).catch(async (error: unknown) => {
    failed.abort(error)
    await Promise.allSettled([open.ended, runtime.ended, agents?.peers?.ended])
    life.abort()
    throw error
  })
  const ended = endAfter(signal, async () => {
    await Promise.all([open.ended, serving.ended, runtime.ended, agents?.peers?.ended])
    life.abort()
  })
  return {
    ...{ gateway: open, ended },
    async drain(impatient) {
      using leaving = agents && leaveLinks(agents, open.streams, clock)
      // What is under way for another replica's people has the same grace as what is for our own.
      const grace = sleep(clock, settings.drain.grace, impatient).catch(() => undefined)
      await Promise.all([serving.drain(impatient), Promise.race([leaving?.peersLeft, grace])])
    },
  }
}

interface HouseParts {
  readonly client: ApiClient
  readonly resources: Resources
  readonly policies: Policies
}

/** By Lease: one replica does the chores, writes the heartbeats that all of them look for, and says what is missing. */
function housekeeper({ settings, env, clock, log }: ClusterParts, { client, resources, policies }: HouseParts): Keeper {
  const namespace = settings.sessions.stateNamespace
  const holder = `${env.GATEHOUSE_POD ?? 'gatehouse'}_${randomUUID()}`
  const hearts = { client, namespace, kinds: heartbeats, clock, log }
  return (chores, signal) =>
    lead({ ...{ resources, namespace, name: housekeepingLease, holder, clock, log, signal } }, (term) =>
      together(
        term,
        chores,
        (ending) => keepBeating(hearts, ending),
        (ending) => tellPolicies({ policies, resources, settings, clock, log }, ending),
      ),
    )
}

function accessOf({ settings, env, clock }: ClusterParts): ApiAccess {
  const { kubeconfig } = settings.cluster
  if (kubeconfig !== undefined) return kubeconfigAccess({ file: kubeconfig, clock })
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env
  if (host && port) return inClusterAccess({ host, port, clock })
  throw new GatewayError('invalid_settings', 'this is no pod of a cluster; name a kubeconfig in cluster.kubeconfig')
}

/** `undefined`: all. */
function namespacesOf({ cluster }: Settings): readonly string[] | undefined {
  return cluster.namespaces.length > 0 ? cluster.namespaces : undefined
}

function storeOf(client: ApiClient, settings: Settings, log: Log, metrics: Metrics): Resources {
  return kubernetesResources({
    client,
    keeping: wireForms,
    namespaces: namespacesOf(settings),
    heartbeats: { namespace: settings.sessions.stateNamespace, kinds: [shareKind, sessionKind] },
    onUnreadable: ({ plural, namespace, name, reason }) => {
      metrics.unreadableObjects(plural).add()
      log.warn(
        { kind: plural, name: `${namespace}/${name}`, reason },
        'an object can not be read, and counts as not there',
      )
    },
  })
}

function reviewerOf(client: ApiClient, { settings, clock, log }: ClusterParts): Reviewer {
  const namespaces = namespacesOf(settings)
  const options = { client, clock, log, ...(namespaces ? { namespaces } : {}) }
  const plain = subjectAccessReviewer(options)
  return settings.cluster.accessReview === 'connection' ? connectionAccessReviewer(options, plain) : plain
}
