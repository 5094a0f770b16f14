/** `npm run licences`: fails when an installed dependency has a licence that nobody has agreed to. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Type } from 'typebox'
import { checkerOf } from '#lib/schema.ts'
import { isAllowed } from './licence-check.ts'

const root = join(import.meta.dirname, '..')

const checkLock = checkerOf(
  Type.Object({
    packages: Type.Record(
      Type.String(),
      Type.Object({ dev: Type.Optional(Type.Boolean()), optional: Type.Optional(Type.Boolean()) }),
    ),
  }),
)
const checkManifest = checkerOf(
  Type.Object({
    name: Type.String(),
    version: Type.String(),
    license: Type.Optional(Type.Union([Type.String(), Type.Object({ type: Type.String() })])),
    /** How some old packages say it. */
    licenses: Type.Optional(Type.Array(Type.Object({ type: Type.String() }))),
  }),
)

interface Installed {
  readonly path: string
  readonly use: 'shipped' | 'tool'
  readonly licence: string
}

/** The packages of the lock file that are installed here; those for other platforms are not. */
function installedPackages(): readonly Installed[] {
  const lock = checkLock(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')))
  if (!lock.ok) throw new Error('package-lock.json is not what it should be')
  return Object.entries(lock.value.packages).flatMap(([path, { dev, optional }]): Installed[] => {
    const licence = path === '' ? undefined : licenceIn(path)
    if (path === '' || (licence === undefined && optional === true)) return []
    return [{ path, use: dev === true ? 'tool' : 'shipped', licence: licence ?? 'not installed, or no licence' }]
  })
}

function licenceIn(path: string): string | undefined {
  let text: string
  try {
    text = readFileSync(join(root, path, 'package.json'), 'utf8')
  } catch {
    return undefined
  }
  const manifest = checkManifest(JSON.parse(text))
  if (!manifest.ok) return undefined
  const { license, licenses } = manifest.value
  if (license !== undefined) return typeof license === 'string' ? license : license.type
  return licenses?.map((licence) => licence.type).join(' OR ')
}

const installed = installedPackages()
const refused = installed.filter(({ licence, use }) => !isAllowed(licence, use))
for (const { path, licence } of refused) process.stderr.write(`licence: ${path}: ${licence}\n`)
process.stdout.write(`${installed.length} packages, ${refused.length} with a licence that is not agreed to\n`)
process.exitCode = refused.length === 0 ? 0 : 1
