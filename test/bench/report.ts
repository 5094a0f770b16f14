/** `test/bench/README.md`, written by the benchmark from what it found. */
import type { Figure } from './figures.ts'
import type { Summary } from './summary.ts'

export function reportOf(result: Summary): string {
  const { ratios } = result
  const idle = result.idle_websocket_kb.gatehouse
  const asked = [
    row('requests/s, of nginx `auth_request`', said(ratios.requests_to_nginx_auth_request), 'at least 1.0'),
    row('requests/s, of Caddy `forward_auth`', said(ratios.requests_to_caddy_forward_auth), '–'),
    row('requests/s, of configurable-http-proxy', said(ratios.requests_to_configurable_http_proxy), 'at least 3'),
    row('added latency, one connection, p50', milliseconds(result.added_p50_ms), 'at most 0.15 ms'),
    row('the same of nginx, which lets everybody through', milliseconds(result.added_p50_ms_of_nginx), '–'),
    row('added latency, one connection, p99', milliseconds(result.added_p99_ms), '–'),
    row('p99 at 32 connections, of nginx `auth_request`', said(ratios.p99_to_nginx_auth_request), 'at most 2'),
    row('1 GB download, of nginx', said(ratios.download_to_nginx), 'at least 0.5'),
    row('1 GB upload, of nginx', said(ratios.upload_to_nginx), '–'),
    row('1 GB upload, processor, of nginx', said(ratios.upload_cost_to_nginx), '–'),
    row('WebSocket echo, messages/s, of nginx', said(ratios.echo_to_nginx), 'at least 0.75'),
    row('WebSocket echo, processor a message, of nginx', said(ratios.echo_cost_to_nginx), '–'),
    row('idle proxied WebSocket', idle === undefined ? '–' : `${idle} KB`, 'at most 18 KB'),
    ...growthRows('10,000', 'sessions', {
      amid: ratios.cost_amid_10000_sessions,
      inTurn: ratios.cost_of_10000_sessions,
      few: ratios.cost_of_64_sessions,
    }),
    ...growthRows('5,000', 'workspaces', {
      amid: ratios.cost_amid_5000_workspaces,
      inTurn: ratios.cost_of_5000_workspaces,
      few: ratios.cost_of_64_workspaces,
    }),
  ]
  const contenders = result.contenders.map((name) => contender(name, result))
  const parts = result.profile.slice(0, 14).map(({ part, percent }) => `| ${part} | ${percent} % |`)
  return `# The benchmark

Written by \`npm run bench -- --report\` from what it found, and not to be edited.

${result.rounds} rounds, medians, in brackets the least and the most; ratios are of the same round. Every process that a contender needs shares
one core; load and app share the other. Contenders take turns in every round. A run at 32 connections in which the contender's core was less than 90 % busy is
void (${result.void_runs} were). Gatehouse has everything on: session, decision, assertion, activity, limits, audit, metrics. For what it costs to know more, one Gatehouse gets its
thousands of sessions or workspaces while another keeps its one; both are measured in turn, and how they compare is compared with how they did at first. When all come in turn, over
32 connections, each request has other fields than the one before it on its connection, and finds what is kept of its session or workspace out of the processor's caches. Every contender is warmed up by four loads, since code is compiled anew
when connections begin and end.

| what | found | asked for |
|---|---|---|
${asked.join('\n')}

| contender | requests/s | p99 ms | p50 ms, one connection | download MB/s | processor s a GB | upload MB/s | processor s a GB | echo messages/s | processor us a message | KB an idle WebSocket |
|---|---|---|---|---|---|---|---|---|---|---|
${contenders.join('\n')}

## Where the time goes

\`--cpu-prof\` of Gatehouse at 32 connections: the processor's time by who had it.

| part | of the busy time |
|---|---|
${parts.join('\n')}
`
}

function growthRows(count: string, what: string, found: Record<'amid' | 'inTurn' | 'few', Figure>): readonly string[] {
  return [
    row(`processor a request, one of ${count} ${what}, of that of the only one`, said(found.amid), 'at most 1.05'),
    row(`the same, all ${count} in turn`, said(found.inTurn), 'at most 1.05'),
    row('the same, 64 in turn', said(found.few), '–'),
  ]
}

function row(what: string, found: string, asked: string): string {
  return `| ${what} | ${found} | ${asked} |`
}

function milliseconds({ median, least, most }: Figure): string {
  return Number.isFinite(median) ? `${median} ms (${least} to ${most})` : '–'
}

function said(figure: Figure | undefined): string {
  if (figure === undefined || !Number.isFinite(figure.median)) return '–'
  return `${figure.median} (${figure.least} to ${figure.most})`
}

function contender(name: string, result: Summary): string {
  const cells = [
    said(result.requests_per_second_spread[name]),
    said(result.p99_ms[name]),
    said(result.p50_ms_one_connection[name]),
    said(result.download_mb_per_second[name]),
    said(result.download_cpu_seconds[name]),
    said(result.upload_mb_per_second[name]),
    said(result.upload_cpu_seconds[name]),
    said(result.echo_messages_per_second[name]),
    said(result.echo_message_cpu_us[name]),
    String(result.idle_websocket_kb[name] ?? '–'),
  ]
  return `| ${name.replaceAll('_', ' ')} | ${cells.join(' | ')} |`
}
