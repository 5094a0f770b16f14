/** What a replica says of itself: its figures and its log. */
import { kubectl } from '../cluster.ts'
import type { ClusterSite, SiteReplica } from './site.ts'

/** A figure without labels, or with exactly these: `plural="workspaces"`. 0 where there is none. */
export async function figureOf({ address }: Pick<SiteReplica, 'address'>, name: string, labels = ''): Promise<number> {
  const text = await (await fetch(`http://${address}:8802/metrics`)).text()
  const series = labels === '' ? name : `${name}{${labels}}`
  const line = text.split('\n').find((one) => one.startsWith(`${series} `))
  return line === undefined ? 0 : Number(line.slice(series.length))
}

/** Each line of its log and its audit trail since then, of those that are JSON. */
export async function logOf(
  site: Pick<ClusterSite, 'namespace'>,
  pod: string,
  since: Date,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const text = await kubectl(['-n', site.namespace, 'logs', pod, `--since-time=${since.toISOString()}`])
  return text.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []))
}
