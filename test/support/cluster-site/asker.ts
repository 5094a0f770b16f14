/** Asks replicas one by one, over connections that are kept, as a page of somebody's browser would: for tests that ask often. */
import https from 'node:https'
import { text } from 'node:stream/consumers'
import type { ScriptedBrowser } from '../browser-session.ts'
import type { SocketOptions } from '../workspace-socket.ts'
import { lookupOf } from './names.ts'
import type { ClusterSite, SiteReplica } from './site.ts'

export interface Asked {
  readonly status: number
  readonly body: string
}

export interface Asker extends Disposable {
  /** What a script of the workspace's own page is answered. Rejects where the connection breaks. */
  ask(replica: Pick<SiteReplica, 'address'>, url: string, headers?: Readonly<Record<string, string>>): Promise<Asked>
}

/** For sockets that may be refused; by the Service, unless a replica is given. */
export function socketOptionsOf(
  site: Pick<ClusterSite, 'caText' | 'address'>,
  replica: Pick<SiteReplica, 'address'> = site,
): SocketOptions {
  return { lookup: lookupOf(() => replica.address), ws: { ca: site.caText } }
}

export function askerOf(site: Pick<ClusterSite, 'caText'>, browser: ScriptedBrowser): Asker {
  const agent = new https.Agent({ keepAlive: true, ca: site.caText })
  return {
    ask({ address }, url, headers = {}) {
      const target = new URL(url)
      const cookie = browser.cookies.header({ url: target, isSameSite: true, isSafeNavigation: false })
      return new Promise((resolve, reject) => {
        const call = https.request(target, {
          agent,
          hostname: address,
          servername: target.hostname,
          headers: { Host: target.host, ...(cookie === undefined ? {} : { Cookie: cookie }), ...headers },
        })
        call.once('error', reject)
        call.once('response', (answer) => {
          text(answer).then((body) => resolve({ status: answer.statusCode ?? 0, body }), reject)
        })
        call.end()
      })
    },
    [Symbol.dispose]: () => agent.destroy(),
  }
}
