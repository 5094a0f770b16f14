/** A real OpenID provider in the cluster: the embedded one, as a pod of the gateway's image behind a Service with TLS. */
import { startProgramPod } from './program-pod.ts'

export interface ProviderPodOptions {
  readonly namespace: string
  /** Of the Service. */
  readonly issuer: string
  /** `https://ws.example.test:8443` */
  readonly clientOrigin: string
  readonly clientSecret: string
  readonly password: string
  /** How many people there are beside those of the demonstration: `u0` and so on. */
  readonly people: number
  /** A Secret with `tls.crt`, `tls.key` and `ca.crt`. */
  readonly tlsSecret: string
}

export interface ProviderPod {
  /** Of its Service. */
  readonly address: string
  /** How often each path was asked, `/token`. */
  asked(): Promise<Readonly<Record<string, number>>>
  /** Seen from the next token on. */
  setGroups(username: string, groups: readonly string[]): Promise<void>
  /** Every token of that person is refused from now on. */
  revoke(username: string): Promise<void>
}

const program = new URL('provider-program.ts', import.meta.url)

export async function startProviderPod(options: ProviderPodOptions): Promise<ProviderPod> {
  const { namespace, tlsSecret } = options
  const environment = {
    ISSUER: options.issuer,
    CLIENT_ORIGIN: options.clientOrigin,
    CLIENT_SECRET: options.clientSecret,
    PASSWORD: options.password,
    PEOPLE: String(options.people),
  }
  const pod = await startProgramPod({ namespace, name: 'idp', files: [program], environment, tlsSecret })
  return {
    address: pod.address,
    asked: async () => JSON.parse(await pod.control('/')),
    async setGroups(username, groups) {
      const query = new URLSearchParams({ username })
      for (const group of groups) query.append('group', group)
      await pod.control(`/groups?${query}`)
    },
    async revoke(username) {
      await pod.control(`/revoke?${new URLSearchParams({ username })}`)
    },
  }
}
