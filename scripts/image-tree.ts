/**
 * `npm run image-tree -- DIR`: puts what the Dockerfile copies into DIR/app, and Node beside it, for those who make images without Docker
 * (of a Debian tree in DIR, say). Says nothing of its own about what an image holds: it reads the Dockerfile.
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

const root = join(import.meta.dirname, '..')

interface Copy {
  readonly sources: readonly string[]
  readonly target: string
}

/** Of every stage: what goes to another place than /app is for that stage alone, and copies from another stage are that one's work. */
function copiesOf(dockerfile: string): readonly Copy[] {
  return dockerfile.split('\n').flatMap((line): readonly Copy[] => {
    const [instruction, ...words] = line.trim().split(/\s+/)
    if (instruction !== 'COPY' || words[0]?.startsWith('--from=')) return []
    const target = words.at(-1)
    return target === undefined || target.startsWith('/') ? [] : [{ sources: words.slice(0, -1), target }]
  })
}

/** The number of the user that the image runs as. */
function userOf(dockerfile: string): string {
  const user = /^USER (\d+)/m.exec(dockerfile)?.[1]
  if (user === undefined) throw new Error('the Dockerfile names no user')
  return user
}

function main(folder: string): void {
  const app = join(resolve(folder), 'app')
  mkdirSync(app, { recursive: true })
  const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8')
  for (const { sources, target } of copiesOf(dockerfile)) {
    for (const source of sources) {
      // As Docker does: a folder's content goes into the target, a file into a target that ends in a slash.
      const place = join(
        app,
        target.endsWith('/') ? join(target, source) : target.endsWith(source) ? target : join(target, source),
      )
      cpSync(join(root, source), place, { recursive: true })
    }
  }
  execFileSync('npm', ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--prefer-offline'], {
    cwd: app,
    stdio: 'inherit',
  })
  rmSync(join(app, 'node_modules', 'node'), { recursive: true, force: true })
  for (const name of ['package-lock.json', '.npmrc']) rmSync(join(app, name), { force: true })
  execFileSync(process.execPath, [join(root, 'scripts', 'bundle.ts'), join(app, 'dist')])
  execFileSync(process.execPath, [join(root, 'scripts', 'compile-cache.ts'), app, userOf(dockerfile)])
  const node = join(resolve(folder), 'usr', 'local', 'bin', 'node')
  mkdirSync(dirname(node), { recursive: true })
  copyFileSync(process.execPath, node)
}

const [folder] = process.argv.slice(2)
if (folder === undefined) {
  process.stderr.write('usage: npm run image-tree -- DIR\n')
  process.exitCode = 2
} else main(folder)
