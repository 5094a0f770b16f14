/** Installs the real programs that tests use into the cache folder, once: `npm run real-parts -- jupyter code-server metrics-server`, or all of them. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { findPart, jupyterFolder, jupyterLabVersion } from '#test/support/real-parts.ts'

function run(command: string, args: readonly string[]): void {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' })
  if (error) throw error
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}`)
}

/** A virtual environment can't be moved, so it is made where it stays and marked when it is complete. */
function installJupyter(): void {
  const folder = jupyterFolder()
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(dirname(folder), { recursive: true })
  run('python3', ['-m', 'venv', folder])
  const quiet = ['--quiet', '--disable-pip-version-check', '--no-input']
  run(join(folder, 'bin', 'pip'), ['install', ...quiet, `jupyterlab==${jupyterLabVersion}`])
  writeFileSync(join(folder, 'installed'), '')
}

/** By the script of its name. */
function install(part: string): void {
  run('bash', [join(import.meta.dirname, '..', 'test', 'real', `install-${part}.sh`)])
}

const installers: { readonly [Part in 'jupyter' | 'code-server' | 'metrics-server']: () => void } = {
  jupyter: installJupyter,
  'code-server': () => install('code-server'),
  'metrics-server': () => install('metrics-server'),
}

function isInstallable(name: string): name is keyof typeof installers {
  return Object.hasOwn(installers, name)
}

function main(wanted: readonly string[]): number {
  for (const name of wanted.length > 0 ? wanted : Object.keys(installers)) {
    if (!isInstallable(name)) {
      process.stderr.write(`real-parts: ${name} is none of ${Object.keys(installers).join(', ')}\n`)
      return 2
    }
    if (findPart(name).kind === 'missing') installers[name]()
    const found = findPart(name)
    if (found.kind === 'missing') {
      process.stderr.write(`real-parts: ${name} is still missing: ${found.reason}\n`)
      return 1
    }
    process.stdout.write(`${name}: ${found.path}\n`)
  }
  return 0
}

process.exitCode = main(process.argv.slice(2))
