/** What a real program is told about its own address, and that it is true. */
import { describe, expect, test } from 'vitest'
import { eventually, stateOf } from '#test/support/laptop-site.ts'
import { openLaptopWorld } from '#test/support/laptop-world.ts'
import { originOf, placeOf } from '#workspace/address.ts'
import { writeEchoManifest } from './echo-manifest.ts'
import { modes } from './scene.ts'

const ref = { namespace: 'alice', name: 'studio' }
const ports = [
  { name: 'ide', port: 8888, path: 'strip' },
  { name: 'app', port: 8501, path: 'strip' },
  { name: 'raw', port: 8787, path: 'preserve' },
]
const variable = (name: string) => `\${${name}}`

async function running(mode: 'host' | 'path', env: Record<string, string>) {
  const world = await openLaptopWorld({ mode, samples: [], env })
  await writeEchoManifest(world.manifests, {
    ...ref,
    owner: 'alice',
    ports,
    env: [
      { name: 'MY_BACKEND', value: `/web-apps-backends/p/app_${variable('K8S_POD_NAME')}` },
      { name: 'MY_PLACE', value: `${variable('MY_BACKEND')}@${variable('K8S_POD_NAMESPACE')}` },
      { name: 'MY_PRICE', value: `$${variable('K8S_POD_NAME')}` },
      { name: 'MY_PATH', value: `${variable('WORKSPACE_BROWSER_PATH_8501')}static/` },
    ],
  })
  const alice = await world.as('alice')
  await eventually(async () => (await stateOf(world, alice, ref)) === 'Running', 'it runs')
  return { world, alice }
}

describe.each(modes)('in %s mode', (mode) => {
  test('[DK5.1] WORKSPACE_BROWSER_PATH, with or without a port, is answered with 200 from that port; Dataiku’s names say the same once switched on', async () => {
    const { world, alice } = await running(mode, { GATEHOUSE_ENVIRONMENT_ALIASES_DATAIKU: 'true' })
    await using _world = world
    const page = await alice.open(world.url(ref))
    const { env } = JSON.parse(page.body)
    expect(env.WORKSPACE_BROWSER_PATH).toBe(mode === 'host' ? '/' : '/workspaces/alice/studio/')
    const names = ['', '_8888', '_8501', '_8787'].map((suffix) => `BROWSER_PATH${suffix}`)
    for (const name of names) {
      const port = Number(name.split('_')[2] ?? 8888)
      const path: string = env[`WORKSPACE_${name}`]
      expect(env[`DKU_CODE_STUDIO_${name}`]).toBe(path)
      const { host } = placeOf(world.site, ref, port === 8888 ? undefined : port)
      const answer = await alice.open(originOf(world.site, host) + path)
      expect([name, answer.status, JSON.parse(answer.body).port]).toEqual([name, 200, port])
      expect(answer.url.href).toBe(world.url(ref, port === 8888 ? undefined : port))
    }
    const known = Object.keys(env).filter((name) => name.includes('BROWSER_PATH'))
    expect(known.toSorted()).toEqual([
      ...names.map((name) => `DKU_CODE_STUDIO_${name}`).toSorted(),
      ...names.map((name) => `WORKSPACE_${name}`).toSorted(),
    ])
  })
})

test('[DK5.3] the values of variables contain other variables, those of the pod among them', async () => {
  const { world, alice } = await running('host', {})
  await using _world = world
  const { env } = JSON.parse((await alice.open(world.url(ref))).body)
  expect(env.K8S_POD_NAME).not.toBe('')
  expect(env.MY_BACKEND).toBe(`/web-apps-backends/p/app_${env.K8S_POD_NAME}`)
  expect(env.MY_PLACE).toBe(`${env.MY_BACKEND}@${env.K8S_POD_NAMESPACE}`)
  expect(env.MY_PATH).toBe(`${env.WORKSPACE_BROWSER_PATH_8501}static/`)
  // Written twice, the sign stands for itself.
  expect(env.MY_PRICE).toBe(variable('K8S_POD_NAME'))
  expect(Object.keys(env).filter((name) => name.startsWith('DKU_'))).toEqual([])
})
