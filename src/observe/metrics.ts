/**
 * Figures for Prometheus, in a registry of their own. Labels come from closed lists: no user names, no paths, nothing that a stranger can make up,
 * because each new value is a series kept for ever.
 *
 * What the hot path counts is resolved once and kept by its caller: `const count = metrics.requests('workspace', 'forwarded')`, then `count.add()`.
 */
import { Counter, Gauge, Registry } from 'prom-client'
import type { Milliseconds } from '#lib/clock.ts'
import type { StreamKind } from './audit.ts'
import { histogram } from './histogram.ts'
import { addProcessMetrics } from './process-metrics.ts'

/** Which of Gatehouse's routes; `workspace` is everything that belongs to a workspace, `unknown` what belongs to nobody. */
export type RouteKind =
  | 'workspace'
  | 'upgrade'
  | 'tunnel'
  | 'console'
  | 'open'
  | 'api'
  | 'events'
  | 'login'
  | 'logout'
  | 'handover'
  | 'status'
  | 'assets'
  | 'jwks'
  | 'unknown'

/** `answered`: by Gatehouse's own surface. `refused`: unreadable or not allowed by HTTP. `failed`: 5xx. `aborted`: the client left. */
export type Outcome =
  | 'forwarded'
  | 'answered'
  | 'redirected'
  | 'login'
  | 'starting'
  | 'denied'
  | 'refused'
  | 'failed'
  | 'aborted'

export type Direction = 'in' | 'out'
/** By a close code of ours, or by one of the two peers. */
export type StreamEnd = 'client' | 'upstream' | 'revoked' | 'workspace-stopped' | 'drained' | 'expired' | 'failed'
export type Attempt = 'ok' | 'refused' | 'failed'
/** What somebody had too much of. */
export type LimitName = 'connections' | 'requests' | 'logins' | 'streams' | 'tunnels'
export type Gauged = 'streams' | 'sessions' | 'workspaces' | 'lost-log-lines' | 'faults' | 'policies'

/** One series of a counter. */
export interface Count {
  add(amount?: number): void
}

/** One series of a histogram. */
export interface Duration {
  observe(span: Milliseconds): void
}

export interface Metrics {
  requests(route: RouteKind, outcome: Outcome): Count
  /** From the request's head to the answer's head. */
  answerTime(route: RouteKind): Duration
  streamsOpened(kind: StreamKind): Count
  streamsClosed(kind: StreamKind, end: StreamEnd): Count
  /** `in`: from the client to the workspace. */
  streamBytes(kind: StreamKind, direction: Direction): Count
  logins(outcome: Attempt): Count
  renewals(outcome: Attempt): Count
  /** Requests that went beyond a limit of an identity or an address. */
  limited(limit: LimitName): Count
  starts(outcome: Attempt): Count
  /** A watch lost its connection or had to start over; `kind` is a kind of resource, from the code. */
  watchInterruptions(kind: string): Count
  /** A version of an object that its parser refuses; `plural` is a resource type, from the code. */
  unreadableObjects(plural: string): Count
  /**
   * `read` is asked at each scrape: one figure, or one for each label value (a stream kind, a workspace's phase), which come from closed lists too.
   * A later call replaces an earlier one.
   */
  gauge(name: Gauged, read: () => number | ReadonlyMap<string, number>): void
  readonly contentType: string
  /** The text of a scrape. */
  render(): Promise<string>
}

const answerTimeBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]

export function createMetrics(): Metrics {
  const registry = new Registry()
  addProcessMetrics(registry)
  const requests = counter(registry, 'gatehouse_requests_total', 'Requests, by route and outcome.', [
    'route',
    'outcome',
  ])
  const opened = counter(registry, 'gatehouse_streams_opened_total', 'Streams opened.', ['kind'])
  const closed = counter(registry, 'gatehouse_streams_closed_total', 'Streams closed, by who ended them.', [
    'kind',
    'end',
  ])
  const bytes = counter(registry, 'gatehouse_stream_bytes_total', 'Bytes of streams; in is towards the workspace.', [
    'kind',
    'direction',
  ])
  const logins = counter(registry, 'gatehouse_logins_total', 'Logins tried.', ['outcome'])
  const renewals = counter(registry, 'gatehouse_renewals_total', 'Renewals of sessions that issuers were asked for.', [
    'outcome',
  ])
  const limited = counter(registry, 'gatehouse_limited_total', 'Requests and connections beyond a limit, by limit.', [
    'limit',
  ])
  const starts = counter(registry, 'gatehouse_workspace_starts_total', 'Starts of workspaces that people asked for.', [
    'outcome',
  ])
  const watches = counter(registry, 'gatehouse_watch_interruptions_total', 'Watches that had to reconnect.', ['kind'])
  const unreadable = counter(registry, 'gatehouse_unreadable_objects_total', 'Objects that could not be read.', [
    'plural',
  ])
  const answerTime = histogram(registry, {
    name: 'gatehouse_answer_seconds',
    help: "From a request's head to its answer's head.",
    label: 'route',
    bounds: answerTimeBuckets,
  })
  const gauges = addGauges(registry)
  return {
    requests: (route, outcome) => requests([route, outcome]),
    answerTime,
    streamsOpened: (kind) => opened([kind]),
    streamsClosed: (kind, end) => closed([kind, end]),
    streamBytes: (kind, direction) => bytes([kind, direction]),
    logins: (outcome) => logins([outcome]),
    renewals: (outcome) => renewals([outcome]),
    limited: (limit) => limited([limit]),
    starts: (outcome) => starts([outcome]),
    watchInterruptions: (kind) => watches([kind]),
    unreadableObjects: (plural) => unreadable([plural]),
    gauge: (name, read) => void gauges.set(name, read),
    contentType: registry.contentType,
    render: () => registry.metrics(),
  }
}

/** A sum that costs one addition; the registry reads it when it is scraped. */
class Cell implements Count {
  readonly labels: readonly string[]
  sum = 0

  constructor(labels: readonly string[]) {
    this.labels = labels
  }

  add(amount = 1): void {
    this.sum += amount
  }
}

/** Hands out one cell for each combination of label values, the same one each time. */
function counter(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly string[],
): (labels: readonly string[]) => Count {
  const cells = new Map<string, Cell>()
  new Counter({
    name,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    collect() {
      this.reset()
      for (const cell of cells.values()) this.labels(...cell.labels).inc(cell.sum)
    },
  })
  return (labels) => {
    const key = JSON.stringify(labels)
    const known = cells.get(key)
    if (known) return known
    const cell = new Cell(labels)
    cells.set(key, cell)
    return cell
  }
}

type Read = () => number | ReadonlyMap<string, number>

interface GaugeText {
  readonly name: string
  readonly help: string
  /** Of a figure for each of several values. */
  readonly label?: string
}

const gaugeTexts: { readonly [Name in Gauged]: GaugeText } = {
  streams: { name: 'gatehouse_streams', help: 'Streams, and answers under way, now, by kind.', label: 'kind' },
  sessions: { name: 'gatehouse_sessions', help: 'Sessions that are good now.' },
  workspaces: { name: 'gatehouse_workspaces', help: 'Workspaces served, by phase.', label: 'phase' },
  'lost-log-lines': { name: 'gatehouse_lost_log_lines', help: 'Log and audit lines that could not be written.' },
  faults: {
    name: 'gatehouse_uncaught_faults',
    help: 'Exceptions and rejected promises that nobody caught; after an exception the process drains and ends.',
    label: 'kind',
  },
  policies: {
    name: 'gatehouse_policy_in_force',
    help: 'Whether an admission policy of a cluster is in force: 1 or 0.',
    label: 'policy',
  },
}

function addGauges(registry: Registry): Map<Gauged, Read> {
  const readers = new Map<Gauged, Read>()
  const add = (gauged: Gauged) => {
    const { name, help, label } = gaugeTexts[gauged]
    new Gauge({
      ...{ name, help },
      labelNames: label === undefined ? [] : [label],
      registers: [registry],
      collect() {
        this.reset()
        const figure = readers.get(gauged)?.()
        if (typeof figure === 'number') this.set(figure)
        else for (const [value, count] of figure ?? []) this.labels(value).set(count)
      },
    })
  }
  add('streams')
  add('sessions')
  add('workspaces')
  add('lost-log-lines')
  add('faults')
  add('policies')
  return readers
}
