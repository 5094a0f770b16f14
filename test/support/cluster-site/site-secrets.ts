/** What an administrator puts into a namespace before anything else: certificates, an authority to trust, the secret of a client. */
import { readFile } from 'node:fs/promises'
import { apply } from '../cluster-api.ts'
import type { TestCa } from '../test-ca.ts'

export interface SecretParts {
  /** Where Gatehouse is to be. */
  readonly domain: string
  readonly ca: TestCa
  readonly caText: string
  readonly issuerHost: string
  readonly clientSecret: string
  /** There is one by which replicas know one another. */
  readonly hasPeers?: boolean | undefined
}

export async function createSecrets(namespace: string, parts: SecretParts): Promise<void> {
  const { domain, ca, caText, issuerHost, clientSecret } = parts
  const peers = parts.hasPeers
    ? [await tlsSecret(namespace, 'gatehouse-peers', { ca, names: ['gatehouse-peers'] })]
    : []
  await apply(
    ...peers,
    await tlsSecret(namespace, 'gatehouse-tls', { ca, names: [domain, `*.${domain}`] }),
    await tlsSecret(namespace, 'idp-tls', { ca, names: [issuerHost] }),
    secret(namespace, 'gatehouse-oidc', { 'client-secret': clientSecret }),
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name: 'authority' }, data: { 'ca.crt': caText } },
  )
}

/** A new certificate for these names, its key and its authority. */
export async function tlsSecret(
  namespace: string,
  name: string,
  { ca, names }: { readonly ca: TestCa; readonly names: [string, ...string[]] },
): Promise<object> {
  const { certFile, keyFile } = ca.issue(names)
  const [certificate, key, authority] = await Promise.all(
    [certFile, keyFile, ca.caFile].map((file) => readFile(file, 'utf8')),
  )
  return secret(namespace, name, { 'tls.crt': certificate, 'tls.key': key, 'ca.crt': authority })
}

function secret(namespace: string, name: string, stringData: object): object {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name }, stringData }
}
