/**
 * By what replicas know one another: a certificate of an authority that issues nothing else, with one name in it. Whoever has one is a replica of this
 * Gatehouse, and nobody else is. Read again when the files change.
 */
import { readFile } from 'node:fs/promises'
import { type Clock, type Milliseconds, sleep } from '#lib/clock.ts'

/** The name in each of them, whatever replica it is. */
export const peerName = 'gatehouse-peers'

/** Absolute paths of PEM files. */
export interface PeerFiles {
  readonly certFile: string
  readonly keyFile: string
  readonly caFile: string
}

export interface PeerCredentials {
  readonly cert: string
  readonly key: string
  readonly ca: string
}

/** Throws where a file can't be read. */
export async function readPeerCredentials({ certFile, keyFile, caFile }: PeerFiles): Promise<PeerCredentials> {
  const [cert, key, ca] = await Promise.all([certFile, keyFile, caFile].map((file) => readFile(file, 'utf8')))
  return { cert: cert ?? '', key: key ?? '', ca: ca ?? '' }
}

const lookEvery: Milliseconds = 60_000

/** Tells of each change until the signal. What can't be read is as it was. */
export async function followPeerCredentials(
  files: PeerFiles,
  known: PeerCredentials,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
  onChange: (credentials: PeerCredentials) => void,
): Promise<void> {
  let before = known
  while (!signal.aborted) {
    await sleep(clock, lookEvery, signal).catch(() => undefined)
    const now = await readPeerCredentials(files).catch(() => before)
    if (now.cert === before.cert && now.key === before.key && now.ca === before.ca) continue
    before = now
    onChange(now)
  }
}
