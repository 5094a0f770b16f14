import { expect, test } from 'vitest'
import { loadAssets } from '#ui/assets.ts'
import { colours } from '#ui/colours.ts'

/** Every custom property of a sheet, light and dark. */
function propertiesOf(sheet: string): {
  readonly light: ReadonlyMap<string, string>
  readonly dark: ReadonlyMap<string, string>
} {
  const blocks = [...sheet.matchAll(/:root\s*\{([^}]*)\}/g)].map(([, block = '']) => block)
  const [light, dark] = blocks.map(
    (block) =>
      new Map([...block.matchAll(/(--[a-z-]+):\s*([^;]+)/g)].map(([, name = '', value = '']) => [name, value])),
  )
  if (blocks.length !== 2 || !light || !dark) throw new Error('not one set of colours for each scheme')
  return { light, dark }
}

test('a page that carries its style with it has the colours of all others', async () => {
  const sheet = (await loadAssets()).find('gatehouse.css')?.body.toString() ?? ''
  const [all, own] = [propertiesOf(sheet), propertiesOf(colours)]
  expect(own.light.size).toBeGreaterThan(10)
  for (const scheme of ['light', 'dark'] as const) {
    for (const [name, value] of own[scheme])
      expect([scheme, name, value]).toEqual([scheme, name, all[scheme].get(name)])
  }
  // What has a dark form there has one here.
  for (const name of own.light.keys()) expect([name, own.dark.has(name)]).toEqual([name, all.dark.has(name)])
})
