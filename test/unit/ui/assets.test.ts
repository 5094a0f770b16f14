import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadAssets } from '#ui/assets.ts'

describe('assets', () => {
  test('have one address for all, which changes with the contents of any', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'assets-'))
    try {
      await writeFile(join(folder, 'a.js'), 'one')
      await writeFile(join(folder, 'b.css'), 'x')
      await writeFile(join(folder, 'notes.txt'), 'not for browsers')
      const before = await loadAssets(folder)
      await writeFile(join(folder, 'a.js'), 'two')
      const after = await loadAssets(folder)
      expect(before.url('b.css')).not.toBe(after.url('b.css'))
      expect((await loadAssets(folder)).url('b.css')).toBe(after.url('b.css'))
      expect(before.find('b.css')?.etag).toBe(after.find('b.css')?.etag)
      expect(before.find('notes.txt')).toBeUndefined()
      expect(() => before.url('missing.js')).toThrow('missing.js')
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  test('import nothing but each other, and evaluate no text', async () => {
    const assets = await loadAssets()
    for (const name of ['common.js', 'page.js', 'console.js', 'open.js', 'share.js']) {
      const text = assets.find(name)?.body.toString() ?? ''
      expect(text).not.toBe('')
      for (const [, from = ''] of text.matchAll(/from '([^']+)'/g)) {
        expect(from).toMatch(/^\.\/[a-z]+\.js$/)
        expect(assets.find(from.slice(2))).toBeDefined()
      }
      expect(text).not.toMatch(/\beval\(|new Function|document\.write|insertAdjacentHTML/)
    }
  })

  test('load nothing from elsewhere', async () => {
    const assets = await loadAssets()
    expect(assets.find('gatehouse.css')?.body.toString()).not.toMatch(/@import|url\(|https?:/)
  })
})
