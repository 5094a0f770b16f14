/** Fetches the secrets that settings refer to, and makes sure that the files they name can be read. */
import { messageOf } from '#errors.ts'
import type { Readable } from './check.ts'
import type { Environment } from './environment.ts'
import type { Path } from './problem.ts'
import type { Finding } from './rules.ts'
import type { SecretReference } from './schema.ts'
import { Secret } from './secret.ts'
import type { Secrets } from './settings.ts'
import { weaknessOf } from './weak-secret.ts'

/** What settings may ask of the machine. Paths are absolute. */
export interface Sources {
  readonly env: Environment
  /** The text of a file; throws when it can't be read. */
  readText(path: string): Promise<string>
}

export interface FetchedSecrets {
  readonly secrets: Secrets
  readonly findings: readonly Finding[]
}

export async function fetchSecrets(readable: Readable, sources: Sources): Promise<FetchedSecrets> {
  const findings: Finding[] = []
  const fetch = async (reference: SecretReference | undefined, path: Path): Promise<Secret | undefined> => {
    if (reference === undefined) return undefined
    const fetched = await fetchSecret(reference, sources)
    if (fetched instanceof Secret) return fetched
    findings.push({ path, message: fetched })
    return undefined
  }
  const clientSecrets = new Map<string, Secret>()
  for (const { index, value } of readable.issuers) {
    const path = ['oidc', index, 'clientSecret']
    const secret = await fetch(value.clientSecret, path)
    if (secret === undefined) continue
    const weakness = weaknessOf(secret.reveal())
    if (weakness !== undefined) findings.push({ path, message: weakness })
    clientSecrets.set(value.id, secret)
  }
  const demoPassword = await fetch(readable.demo?.password, ['demo', 'password'])
  findings.push(...judgePassword(demoPassword, readable))
  return { secrets: { clientSecrets, demoPassword }, findings }
}

/** On loopback a short password is the owner's business; on a network it is everybody's. */
function judgePassword(password: Secret | undefined, readable: Readable): readonly Finding[] {
  if (password === undefined || readable.insecureWideBind !== true) return []
  const weakness = weaknessOf(password.reveal())
  return weakness === undefined ? [] : [{ path: ['demo', 'password'], message: weakness }]
}

/** The secret, or why there is none. */
async function fetchSecret(reference: SecretReference, sources: Sources): Promise<Secret | string> {
  if (reference.env !== undefined) {
    const value = sources.env[reference.env] ?? ''
    return value === '' ? `the variable ${reference.env} is not set` : new Secret(value)
  }
  if (reference.file === undefined) return 'must name exactly one of file and env'
  try {
    const value = (await sources.readText(reference.file)).replace(/\r?\n$/, '')
    return value === '' ? `the file ${reference.file} is empty` : new Secret(value)
  } catch (error) {
    return `the file can't be read: ${messageOf(error)}`
  }
}

/** Certificates, keys and authorities that can't be read. */
export async function findUnreadableFiles(readable: Readable, sources: Sources): Promise<readonly Finding[]> {
  const named = [
    ...readable.listeners.flatMap(({ index, value }) =>
      value.certificates.flatMap((certificate, at) => {
        const path = ['listeners', index, 'certificates', at]
        return [
          { path: [...path, 'certFile'], file: certificate.certFile },
          { path: [...path, 'keyFile'], file: certificate.keyFile },
        ]
      }),
    ),
    ...readable.issuers.map(({ index, value }) => ({ path: ['oidc', index, 'caFile'], file: value.caFile })),
  ]
  const findings = await Promise.all(
    named.map(async ({ path, file }): Promise<Finding | undefined> => {
      if (file === undefined) return undefined
      try {
        await sources.readText(file)
        return undefined
      } catch (error) {
        return { path, message: `can't be read: ${messageOf(error)}` }
      }
    }),
  )
  return findings.filter((finding) => finding !== undefined)
}
