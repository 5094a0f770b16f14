/**
 * The real programs some suites need: whether they are here, and how to get them if not. A suite without its part is skipped by name,
 * with the reason; parts listed in `GATEHOUSE_TEST_REQUIRE` make that a failure.
 */
import { accessSync, constants, existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { describe, test } from 'vitest'

export const jupyterLabVersion = '4.6.6'
/** The one that `test/real/install-code-server.sh` installs. */
export const codeServerVersion = '4.139.1'
/** The one that `test/real/install-metrics-server.sh` builds. */
export const metricsServerVersion = '0.9.0'

export type RealPart =
  | 'jupyter'
  | 'browser'
  | 'code-server'
  | 'metrics-server'
  | 'openssl'
  | 'cluster'
  | 'helm'
  | 'freezing'
  | 'nginx'
  | 'haproxy'
  | 'wrk'
  | 'ssh'
  | 'sshd'

export type Found =
  | { readonly kind: 'found'; readonly path: string }
  | { readonly kind: 'missing'; readonly reason: string; readonly command: string }

type Environment = Readonly<Record<string, string | undefined>>

interface Part {
  /** Where it may be, the best first. */
  readonly candidates: (env: Environment) => readonly string[]
  /** What provides it. */
  readonly command: string
}

const parts: { readonly [Name in RealPart]: Part } = {
  jupyter: {
    candidates: (env) => [join(jupyterFolder(env), 'bin', 'jupyter-lab')],
    command: 'npm run real-parts -- jupyter',
  },
  'code-server': {
    candidates: (env) => [
      join(cacheFolder(env), `code-server-${codeServerVersion}`, 'bin', 'code-server'),
      ...onPath('code-server', env),
    ],
    command: 'npm run real-parts -- code-server',
  },
  'metrics-server': {
    candidates: (env) => [join(cacheFolder(env), `metrics-server-${metricsServerVersion}`, 'metrics-server')],
    command: 'npm run real-parts -- metrics-server',
  },
  browser: {
    candidates: (env) =>
      env.GATEHOUSE_CHROMIUM
        ? [env.GATEHOUSE_CHROMIUM]
        : ['chromium', 'chromium-browser'].flatMap((name) => onPath(name, env)),
    command: 'apt-get install chromium, or GATEHOUSE_CHROMIUM=PATH',
  },
  /** A kubeconfig of its administrator, and `kubectl` to use it with. */
  cluster: {
    candidates: (env) =>
      env.GATEHOUSE_TEST_KUBECONFIG && isReadable(env.GATEHOUSE_TEST_KUBECONFIG) ? onPath('kubectl', env) : [],
    command: 'GATEHOUSE_TEST_KUBECONFIG=PATH, and kubectl on PATH',
  },
  /** With a cluster to install into. */
  helm: {
    candidates: (env) => (findPart('cluster', env).kind === 'found' ? onPath('helm', env) : []),
    command: 'GATEHOUSE_TEST_KUBECONFIG=PATH, and kubectl and helm on PATH',
  },
  /** What runs the cluster, and stops parts of its control plane: `freeze kube-apiserver`, `thaw kube-apiserver`. */
  freezing: {
    candidates: (env) =>
      env.GATEHOUSE_CLUSTER && findPart('helm', env).kind === 'found' ? [env.GATEHOUSE_CLUSTER] : [],
    command:
      'GATEHOUSE_CLUSTER=PATH of a program that can freeze and thaw parts of the cluster, beside what helm needs',
  },
  openssl: { candidates: (env) => onPath('openssl', env), command: 'apt-get install openssl' },
  nginx: { candidates: (env) => systemProgram('nginx', env), command: 'apt-get install nginx-light' },
  haproxy: { candidates: (env) => systemProgram('haproxy', env), command: 'apt-get install haproxy' },
  wrk: { candidates: (env) => onPath('wrk', env), command: 'apt-get install wrk' },
  /** With `ssh-keygen` and `scp` beside it. */
  ssh: { candidates: (env) => onPath('ssh', env), command: 'apt-get install openssh-client' },
  sshd: { candidates: (env) => systemProgram('sshd', env), command: 'apt-get install openssh-server' },
}

/** The folder that real parts are kept in between runs. */
export function cacheFolder(env: Environment = process.env): string {
  return env.GATEHOUSE_CACHE || join(homedir(), '.cache', 'gatehouse')
}

/** The virtual environment of JupyterLab. Holds `installed` once it is complete. */
export function jupyterFolder(env: Environment = process.env): string {
  return join(cacheFolder(env), `jupyterlab-${jupyterLabVersion}`)
}

export function findPart(part: RealPart, env: Environment = process.env): Found {
  const { candidates, command } = parts[part]
  const places = candidates(env)
  const path = places.find(isProgram)
  if (path !== undefined && isComplete(part, env)) return { kind: 'found', path }
  const program = part === 'cluster' ? 'kubectl' : part
  const needsCluster = part === 'cluster' || part === 'helm'
  const nowhere =
    part === 'freezing'
      ? 'no GATEHOUSE_CLUSTER, or no cluster'
      : needsCluster
        ? `no kubeconfig in GATEHOUSE_TEST_KUBECONFIG, or no ${program}`
        : `no ${part} on PATH`
  const reason = places.length > 0 ? `no ${places.join(' or ')}` : nowhere
  return { kind: 'missing', reason, command }
}

/** An installation that was cut short looks like one. */
function isComplete(part: RealPart, env: Environment): boolean {
  return part !== 'jupyter' || existsSync(join(jupyterFolder(env), 'installed'))
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK)
    return true
  } catch {
    return false
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function onPath(name: string, env: Environment): readonly string[] {
  return (env.PATH ?? '')
    .split(delimiter)
    .flatMap((folder) => (folder === '' ? [] : [join(folder, name)]))
    .filter(isProgram)
}

/** Debian keeps servers where only root's PATH leads. */
function systemProgram(name: string, env: Environment): readonly string[] {
  return [...onPath(name, env), `/usr/sbin/${name}`]
}

export function isRequired(part: RealPart, env: Environment = process.env): boolean {
  return (env.GATEHOUSE_TEST_REQUIRE ?? '').split(',').some((name) => name.trim() === part)
}

/**
 * A suite for which `part` must be here. `suite` gets the path of its program; where it is missing, tests are named and not run, so use
 * the path inside of tests and hooks only.
 */
export function describeWith(part: RealPart, name: string, suite: (path: string) => void, options = {}): void {
  const found = findPart(part)
  if (found.kind === 'found') {
    describe(name, options, () => suite(found.path))
    return
  }
  const explanation = `needs ${part}: ${found.reason}; get it with: ${found.command}`
  if (isRequired(part)) {
    describe(name, () => {
      test(explanation, () => {
        throw new Error(explanation)
      })
    })
    return
  }
  describe.skip(`${name} (${explanation})`, () => suite(part))
}

/** As {@link describeWith}, for tests that have nothing in common and mostly wait: they run at once. */
export function describeAtOnceWith(part: RealPart, name: string, suite: (path: string) => void): void {
  describeWith(part, name, suite, { concurrent: true })
}
