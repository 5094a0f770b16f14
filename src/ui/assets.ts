/**
 * The files that pages load. Their address names the contents of all of them together, so that browsers may keep them for ever and a module's
 * relative imports still lead to files of the same version.
 */
import { hash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { GatewayError } from '#errors.ts'
import { paths } from '#surface/urls.ts'

export interface Asset {
  readonly body: Buffer
  readonly mediaType: string
  /** With its quotation marks. */
  readonly etag: string
}

export interface Assets {
  /** Names the contents of all files. */
  readonly version: string
  find(name: string): Asset | undefined
  /** The address of a file; throws `internal` for one that does not exist, so that a page never links to nothing. */
  url(name: string): string
}

const mediaTypes: ReadonlyMap<string, string> = new Map([
  ['.css', 'text/css; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.svg', 'image/svg+xml'],
])

/** Reads them once; they are few and small. */
export async function loadAssets(folder: string = join(import.meta.dirname, 'assets')): Promise<Assets> {
  const files = new Map<string, Asset>()
  for (const name of (await readdir(folder)).sort()) {
    const mediaType = mediaTypes.get(extname(name))
    if (mediaType === undefined) continue
    const body = await readFile(join(folder, name))
    files.set(name, { body, mediaType, etag: `"${hash('sha256', body, 'base64url').slice(0, 22)}"` })
  }
  const version = hash('sha256', JSON.stringify([...files].map(([name, { etag }]) => [name, etag])), 'hex').slice(0, 16)
  return {
    version,
    find: (name) => files.get(name),
    url(name) {
      if (!files.has(name)) throw new GatewayError('internal', `There is no asset ${name}`)
      return `${paths.assets}${version}/${name}`
    },
  }
}
