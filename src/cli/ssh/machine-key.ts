/** The key of this machine for one deployment: made when it is needed, and made anew where others could have read it. */
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { takeLock } from '#cli/client/file-lock.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { codeOf, readPrivateFile, writePrivateFile } from '#cli/client/private-file.ts'
import { newKey } from '#ssh/private-key.ts'
import { parsePublicKey, publicKeyLine } from '#ssh/public-key.ts'
import type { SshPlaces } from './places.ts'

/** Its public half, as one line. Throws `not_written`, `not_read`. */
export async function machineKey(io: PersonIo, places: SshPlaces): Promise<string> {
  const known = await keptKey(io, places)
  if (known !== undefined) return known
  await using _lock = await takeLock(places.lock('key'), { ...io, longest: 60_000 })
  const meanwhile = await keptKey(io, places)
  if (meanwhile !== undefined) return meanwhile
  const { privateKey, publicKey } = newKey('gatehouse')
  await removeCertificates(places)
  // The public half is what says that both are there.
  await rm(places.publicKey, { force: true })
  await writePrivateFile(places.key, privateKey)
  await writePrivateFile(places.publicKey, `${publicKey}\n`)
  return publicKey
}

async function keptKey({ platform }: PersonIo, places: SshPlaces): Promise<string | undefined> {
  if (!(await isOwn(places.key, platform))) return undefined
  const text = await readPrivateFile(places.publicKey, { platform, secret: false })
  const parsed = text === undefined ? undefined : parsePublicKey(text)
  return parsed?.kind === 'key' ? publicKeyLine(parsed.key, 'gatehouse') : undefined
}

/** Of its owner alone. Windows keeps that by folder, and is not asked. */
async function isOwn(path: string, platform: string): Promise<boolean> {
  try {
    const { mode, uid } = await stat(path)
    return platform === 'win32' || ((mode & 0o077) === 0 && uid === process.getuid?.())
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}

/** They are for the key before. */
async function removeCertificates({ folder }: SshPlaces): Promise<void> {
  const names = await readdir(folder)
  for (const name of names.filter((one) => one.endsWith('-cert.pub'))) await rm(join(folder, name), { force: true })
}
