/** What a replica says of itself: its figures and its log. */
import { apiCalls, pathOf } from '../cluster-api.ts'
import type { ClusterSite, SiteReplica } from './site.ts'

/** A figure without labels, or with exactly these: `plural="workspaces"`. 0 where there is none. */
export async function figureOf({ address }: Pick<SiteReplica, 'address'>, name: string, labels = ''): Promise<number> {
  const text = await (await fetch(`http://${address}:8802/metrics`)).text()
  const series = labels === '' ? name : `${name}{${labels}}`
  const line = text.split('\n').find((one) => one.startsWith(`${series} `))
  return line === undefined ? 0 : Number(line.slice(series.length))
}

/** Bytes. */
const longestLog = 16 * 1024 * 1024

/** Each line of its log and its audit trail since then, of those that are JSON. */
export async function logOf(
  site: Pick<ClusterSite, 'namespace'>,
  pod: string,
  since: Date,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const metadata = { namespace: site.namespace, name: pod }
  const place = { subresource: 'log', query: { sinceTime: since.toISOString() } }
  const path = pathOf({ apiVersion: 'v1', kind: 'Pod', metadata }, place)
  const text = await apiCalls().text(path, { longest: longestLog })
  return text.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []))
}
