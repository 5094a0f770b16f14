/** The object of `npm run bench -- --json`: medians, ratios of the same round, and how far they lie apart. */
import { type Figure, figureOf, figureOfKnown, ratioOf } from './figures.ts'
import type { Growth } from './growth.ts'
import type { Profile } from './profile.ts'
import type { Gave, Round, sizes } from './rounds.ts'

export interface Aside {
  readonly idle: Readonly<Record<string, number>>
  readonly laptop: { readonly rss_mb: number; readonly ready_ms: number } | undefined
  readonly profile: Profile
}

export type Summary = ReturnType<typeof summaryOf>

type Pick = (gave: Gave) => number | undefined

const perSecond: Pick = ({ rate }) => rate?.requestsPerSecond
const p99: Pick = ({ rate }) => rate?.p99
const single: Pick = (gave) => gave.single?.p50
const singleP99: Pick = (gave) => gave.single?.p99
const megabytes: Pick = ({ download }) => download?.megabytesPerSecond
const downloadCpu: Pick = ({ download }) => download?.cpuSeconds
const uploaded: Pick = ({ upload }) => upload?.megabytesPerSecond
const uploadCpu: Pick = ({ upload }) => upload?.cpuSeconds
const messages: Pick = ({ echo }) => echo?.messagesPerSecond
const messageCpu: Pick = ({ echo }) => echo?.cpuMicroseconds

export function summaryOf(rounds: readonly Round[], { idle, laptop, profile }: Aside) {
  const names = [...new Set(rounds.flatMap(({ gave }) => [...gave.keys()]))]
  const of = (name: string, pick: Pick) => rounds.map(({ gave }) => pick(gave.get(name) ?? {}) ?? Number.NaN)
  const figures = (pick: Pick, digits = 0): Record<string, Figure> => {
    const known = names.map((name): [string, number[]] => [name, of(name, pick).filter(Number.isFinite)])
    return Object.fromEntries(
      known.filter(([, all]) => all.length > 0).map(([name, all]) => [name, figureOf(all, digits)]),
    )
  }
  const medians = (all: Record<string, Figure>) =>
    Object.fromEntries(Object.entries(all).map(([name, one]) => [name, one.median]))
  const ratio = (pick: Pick, to: string) => ratioOf(of('gatehouse', pick), of(to, pick))
  const direct = rounds.map((round) => round.direct?.p50 ?? Number.NaN)
  const added = (name: string) => rounds.map(({ gave, direct: app }) => addedBy(gave.get(name), single, app?.p50))
  const addedP99 = rounds.map(({ gave, direct: app }) => addedBy(gave.get('gatehouse'), singleP99, app?.p99))
  const growths = (kind: keyof typeof sizes, pick: (growth: Growth) => number | undefined) =>
    figureOfKnown(rounds.map(({ growth }) => growth[kind]).map((one) => (one && pick(one)) ?? Number.NaN))
  const most = ({ inTurn }: Growth) => inTurn.at(-1)
  const microseconds = (kind: keyof typeof sizes) => ({
    one: growths(kind, ({ inTurn: [one] }) => one?.each),
    of_64_in_turn: growths(kind, ({ inTurn: [, few] }) => few?.each),
    of_all_in_turn: growths(kind, (growth) => most(growth)?.each),
    one_amid_all: growths(kind, ({ amid }) => amid.each),
  })
  const rates = figures(perSecond)
  const latencies: Record<string, Figure> = { direct: figureOfKnown(direct, 3), ...figures(single, 3) }
  return {
    contenders: names,
    requests_per_second: medians(rates),
    requests_per_second_spread: rates,
    p99_ms: figures(p99, 2),
    p50_ms_one_connection: latencies,
    added_p50_ms: figureOfKnown(added('gatehouse'), 3),
    added_p50_ms_of_nginx: figureOfKnown(added('nginx'), 3),
    added_p99_ms: figureOfKnown(addedP99, 3),
    download_mb_per_second: figures(megabytes),
    download_cpu_seconds: figures(downloadCpu, 2),
    echo_messages_per_second: figures(messages),
    echo_message_cpu_us: figures(messageCpu, 1),
    idle_websocket_kb: idle,
    upload_mb_per_second: figures(uploaded),
    upload_cpu_seconds: figures(uploadCpu, 2),
    request_cpu_us: { sessions: microseconds('sessions'), workspaces: microseconds('workspaces') },
    ratios: {
      requests_to_nginx_auth_request: ratio(perSecond, 'nginx_auth_request'),
      requests_to_caddy_forward_auth: ratio(perSecond, 'caddy_forward_auth'),
      requests_to_configurable_http_proxy: ratio(perSecond, 'configurable_http_proxy'),
      p99_to_nginx_auth_request: ratio(p99, 'nginx_auth_request'),
      added_p50_to_nginx: ratioOf(added('gatehouse'), added('nginx')),
      download_to_nginx: ratio(megabytes, 'nginx'),
      echo_to_nginx: ratio(messages, 'nginx'),
      echo_cost_to_nginx: ratio(messageCpu, 'nginx'),
      upload_to_nginx: ratio(uploaded, 'nginx'),
      upload_cost_to_nginx: ratio(uploadCpu, 'nginx'),
      cost_of_64_sessions: growths('sessions', ({ inTurn: [, few] }) => few?.growth),
      cost_of_10000_sessions: growths('sessions', (growth) => most(growth)?.growth),
      cost_amid_10000_sessions: growths('sessions', ({ amid }) => amid.growth),
      cost_of_64_workspaces: growths('workspaces', ({ inTurn: [, few] }) => few?.growth),
      cost_of_5000_workspaces: growths('workspaces', (growth) => most(growth)?.growth),
      cost_amid_5000_workspaces: growths('workspaces', ({ amid }) => amid.growth),
    },
    profile,
    ...laptop,
    void_runs: rounds.reduce((sum, round) => sum + round.void, 0),
    rounds: rounds.length,
  }
}

/** Milliseconds more than the app alone takes. */
function addedBy(gave: Gave | undefined, pick: Pick, direct: number | undefined): number {
  return (pick(gave ?? {}) ?? Number.NaN) - (direct ?? Number.NaN)
}
