import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { catalogueOf, type LocalPrograms } from '#operator/apps.ts'
import { type PlanSite, planOf } from '#operator/plan.ts'
import type { Plan } from '#runtime/contract.ts'
import { resolverOf } from '#runtime/processes/placeholders.ts'
import { workspace } from '#test/support/objects.ts'

const ref = { namespace: 'team', name: 'nb' }
const here: LocalPrograms = {
  jupyter: { kind: 'ready', venv: '/venv' },
  codeServer: '/usr/bin/code-server',
  shell: '/bin/bash',
  isRoot: false,
}

function plan(spec: Record<string, unknown>, site: Partial<PlanSite & { programs: LocalPrograms }> = {}): Plan {
  const { programs = here, ...rest } = site
  return planOf(workspace({ spec }), ref, {
    apps: catalogueOf(programs),
    publicPath: (of, port) => `/workspaces/${of.namespace}/${of.name}${port === undefined ? '' : `:${port}`}/`,
    environmentAliases: { dataiku: false },
    ...rest,
  })
}

function argvOf({ program }: Plan): readonly string[] {
  if (program.kind !== 'command') throw new Error(`no command but ${JSON.stringify(program)}`)
  return program.argv
}

const ports = [
  { name: 'editor', port: 8888 },
  { name: 'app', port: 8501 },
]

describe('JupyterLab', () => {
  test('listens on the socket of the main port, under the public prefix, with the login left to Gatehouse', () => {
    const argv = argvOf(plan({ appType: 'jupyterlab' }))
    expect(argv.slice(0, 3)).toEqual(['/venv/bin/python', '-m', 'jupyterlab'])
    expect(argv).toContain(`--ServerApp.sock=\${SOCKET_8888}`)
    expect(argv).toContain('--ServerApp.base_url=/workspaces/team/nb/')
    expect(argv).toContain('--IdentityProvider.token=')
    expect(argv.join(' ')).not.toMatch(/allow_origin|disable_check_xsrf|allow_root/)
  })

  test('runs as root only when Gatehouse does', () => {
    const argv = argvOf(plan({ appType: 'jupyterlab' }, { programs: { ...here, isRoot: true } }))
    expect(argv).toContain('--ServerApp.allow_root=True')
  })

  test('gets further arguments of the workspace at the end', () => {
    const args = ['--ServerApp.shutdown_no_activity_timeout=60']
    expect(argvOf(plan({ appType: 'jupyterlab', containerConfig: { args } })).at(-1)).toBe(args[0])
  })
})

describe('Code Editor', () => {
  test('listens on its socket and offers no way to other ports', () => {
    const argv = argvOf(plan({ appType: 'code-editor', ports: [{ name: 'editor', port: 8080 }] }))
    expect(argv[0]).toBe('/usr/bin/code-server')
    expect(argv).toContain(`--socket=\${SOCKET_8080}`)
    expect(argv).toContain('--disable-proxy')
  })

  test('that is not installed is said with the way to get it', () => {
    const { program } = plan({ appType: 'code-editor' }, { programs: { ...here, codeServer: undefined } })
    expect(program).toMatchObject({
      kind: 'missing',
      name: 'code-server',
      install: expect.stringContaining('Install it'),
    })
  })
})

describe('a command of its own', () => {
  test('is run as it is written, without a shell', () => {
    const containerConfig = { command: ['python3', '-m'], args: ['http.server'] }
    expect(argvOf(plan({ containerConfig }))).toEqual(['python3', '-m', 'http.server'])
  })

  test('can start the app as well, whose command line a shell reads back unchanged', () => {
    const containerConfig = { command: ['sh', '-c', `exec \${WORKSPACE_APP_COMMAND}`] }
    const it = plan(
      { appType: 'jupyterlab', containerConfig, ports },
      { programs: { ...here, jupyter: { kind: 'ready', venv: "/it's a venv" } } },
    )
    const home = `/a "home" of o'brien $(x)`
    const socket = `${home}/s`
    const { fill } = resolverOf({
      env: it.env,
      fixed: new Map([
        ['SOCKET_8888', socket],
        ['SOCKET_8501', '/other'],
      ]),
      base: new Map(),
    })
    const commandLine = fill(`\${WORKSPACE_APP_COMMAND}`)
    const read = spawnSync('/bin/sh', ['-c', `printf '%s\\n' ${commandLine}`], {
      env: { HOME: home, WORKSPACE_SOCKET_8888: socket },
      encoding: 'utf8',
    })
    const argv = argvOf(
      plan(
        { appType: 'jupyterlab', ports },
        { programs: { ...here, jupyter: { kind: 'ready', venv: "/it's a venv" } } },
      ),
    )
    const expected = argv.map((argument) => argument.replace(`\${SOCKET_8888}`, socket).replace(`\${HOME}`, home))
    expect(read.stdout.trimEnd().split('\n')).toEqual(expected)
  })

  test('that asks for an app nobody named is impossible', () => {
    const containerConfig = { command: ['sh', '-c', `exec \${WORKSPACE_APP_COMMAND}`] }
    expect(plan({ containerConfig }).program).toMatchObject({ kind: 'impossible', reason: 'UnknownApp' })
  })
})

describe('what can not be run says why', () => {
  test.each([
    ['nothing to run', {}, 'NoProgram', 'jupyterlab, code-editor'],
    ['an unknown app', { appType: 'rstudio' }, 'UnknownApp', "'rstudio'"],
    [
      'a variable that is ours',
      { appType: 'jupyterlab', env: [{ name: 'WORKSPACE_NAME', value: 'x' }] },
      'InvalidEnvironment',
      'WORKSPACE_NAME',
    ],
    ['a home of its own', { appType: 'jupyterlab', env: [{ name: 'HOME', value: '/' }] }, 'InvalidEnvironment', 'HOME'],
  ])('%s', (_, spec, reason, part) => {
    expect(plan(spec).program).toMatchObject({ kind: 'impossible', reason, message: expect.stringContaining(part) })
  })
})

describe('the environment', () => {
  test('says the public prefix of every port, and where the workspace is', () => {
    expect(plan({ appType: 'jupyterlab', ports }).env).toMatchObject({
      WORKSPACE_NAME: 'nb',
      WORKSPACE_NAMESPACE: 'team',
      WORKSPACE_BROWSER_PATH: '/workspaces/team/nb/',
      WORKSPACE_BROWSER_PATH_8888: '/workspaces/team/nb/',
      WORKSPACE_BROWSER_PATH_8501: '/workspaces/team/nb:8501/',
      WORKSPACE_SOCKET_8501: `\${SOCKET_8501}`,
      JUPYTER_BASE_URL: '/workspaces/team/nb/',
    })
  })

  test('has the names of Dataiku when they are switched on, and only then', () => {
    const on = plan({ appType: 'jupyterlab', ports }, { environmentAliases: { dataiku: true } }).env
    expect(on).toMatchObject({
      DKU_CODE_STUDIO_BROWSER_PATH: '/workspaces/team/nb/',
      DKU_CODE_STUDIO_BROWSER_PATH_8501: '/workspaces/team/nb:8501/',
    })
    expect(Object.keys(plan({ appType: 'jupyterlab', ports }).env).join()).not.toContain('DKU')
  })

  test("holds the workspace's own variables, which may name others", () => {
    const env = [{ name: 'GREETING', value: `hi \${K8S_POD_NAME}` }]
    expect(plan({ appType: 'jupyterlab', env }).env).toMatchObject({ GREETING: `hi \${K8S_POD_NAME}` })
  })
})

describe('the fingerprint', () => {
  const base = { appType: 'jupyterlab', ports }
  test.each([
    ['the label of a port', { ports: [ports[0], { ...ports[1], label: 'Mine' }] }, true],
    ['the display name', { displayName: 'Mine' }, true],
    ['who may open it', { accessType: 'Public' }, true],
    ['a variable', { env: [{ name: 'A', value: '1' }] }, false],
    ['a further port', { ports: [...ports, { name: 'more', port: 9000 }] }, false],
    ['the program', { containerConfig: { args: ['--x'] } }, false],
  ])('is the same when %s changes: %s', (_, change, same) => {
    expect(plan({ ...base, ...change }).fingerprint === plan(base).fingerprint).toBe(same)
  })
})
