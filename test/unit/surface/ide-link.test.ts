/** Links to desktop IDEs, as the console shows them and `gatehouse code` opens them. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Folder, ides, longestFolder, parseFolder } from '#surface/ide-link.ts'

function folderOf(text: string): Folder {
  const folder = parseFolder(text)
  if (!folder) throw new Error(`${text} is no folder`)
  return folder
}

test('addresses of IDEs are as they know them, and hold no more than a name and a place', () => {
  const place = { alias: 'nb.team.prod.gatehouse', user: 'workspace', path: folderOf('/home/w/a b#?') }
  expect([...ides].map(([name, ide]) => [name, ide.link(place)])).toEqual([
    ['vscode', 'vscode://vscode-remote/ssh-remote+nb.team.prod.gatehouse/home/w/a%20b%23%3F?windowId=_blank'],
    [
      'vscode-insiders',
      'vscode-insiders://vscode-remote/ssh-remote+nb.team.prod.gatehouse/home/w/a%20b%23%3F?windowId=_blank',
    ],
    ['vscodium', 'vscodium://vscode-remote/ssh-remote+nb.team.prod.gatehouse/home/w/a%20b%23%3F?windowId=_blank'],
    ['cursor', 'cursor://vscode-remote/ssh-remote+nb.team.prod.gatehouse/home/w/a%20b%23%3F?windowId=_blank'],
    ['windsurf', 'windsurf://vscode-remote/ssh-remote+nb.team.prod.gatehouse/home/w/a%20b%23%3F?windowId=_blank'],
    ['zed', 'zed://ssh/workspace@nb.team.prod.gatehouse/home/w/a%20b%23%3F'],
    [
      'jetbrains',
      'jetbrains-gateway://connect#type=ssh&host=nb.team.prod.gatehouse&port=22&user=workspace&projectPath=%2Fhome%2Fw%2Fa%20b%23%3F&deploy=true',
    ],
  ])
})

test('no address of an IDE has room for a credential: whatever the folder is called, it says an alias, a user and that folder, and nothing else', () => {
  const [alias, user] = ['nb.team.prod.gatehouse', 'workspace']
  const folders = fc.string({ unit: 'grapheme' }).map((name) => parseFolder(`/${name}`))
  const places = new Map([['zed', { host: 'ssh', search: '', before: `/${user}@${alias}` }]])
  const ofVsCode = { host: 'vscode-remote', search: '?windowId=_blank', before: `/ssh-remote+${alias}` }
  fc.assert(
    fc.property(fc.constantFrom(...ides), folders, ([name, ide], path) => {
      fc.pre(path !== undefined)
      const { username, password, host, pathname, search, hash } = new URL(ide.link({ alias, user, path }))
      expect(username + password).toBe('')
      if (name === 'jetbrains') {
        const fields = { type: 'ssh', host: alias, port: '22', user, projectPath: path, deploy: 'true' }
        expect([host, pathname, search]).toEqual(['connect', '', ''])
        expect([...new URLSearchParams(hash.slice(1))]).toEqual(Object.entries(fields))
        return
      }
      const { before, ...rest } = places.get(name) ?? ofVsCode
      expect({ host, search, hash, place: decodeURIComponent(pathname) }).toEqual({
        ...{ ...rest, hash: '', place: before + path },
      })
    }),
  )
})

test.each([
  ['no path', 'home/w'],
  ['nothing', ''],
  ['a step back, past the alias to another host', '/../ssh-remote+elsewhere.example/home'],
  ['a step back in the middle', '/home/../../x'],
  ['a step to nowhere', '/home/./x'],
  ['a line of its own', '/home/w\n/x'],
  ['half a character', '/home/\ud800'],
  ['more than there is room for', `/${'x'.repeat(longestFolder)}`],
])('a folder is no %s', (_what, text) => {
  expect(parseFolder(text)).toBeUndefined()
})

test('three dots, and dots in a name, are names like any other', () => {
  expect(['/...', '/a..b', '/.config', '/x/..y'].map(parseFolder)).toEqual(['/...', '/a..b', '/.config', '/x/..y'])
})
