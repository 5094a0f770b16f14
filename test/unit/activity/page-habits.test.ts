import { expect, test } from 'vitest'
import { requestSight } from '#activity/http-activity.ts'
import { PageHabits } from '#activity/page-habits.ts'

const minute = 60_000
const asked = { query: '', status: 200, mode: 'cors', destination: 'empty', isGesture: false }

function page() {
  const habits = new PageHabits()
  let now = 0
  const does = (method: string, rest: string, more: object = {}) => {
    const request = { ...asked, method, rest, ...more }
    const { class: is, source } = habits.judge(requestSight('jupyterlab', request), request, now)
    return `${is} ${source}`
  }
  return {
    passes: (span: number) => {
      now += span
    },
    loads: () => does('GET', 'lab', { mode: 'navigate', destination: 'document' }),
    opens: () => does('GET', 'api/contents/a.ipynb', { query: '?type=notebook&content=1&hash=1' }),
    saves: (name = 'a.ipynb') => does('PUT', `api/contents/${name}`),
    checkpoints: (name = 'a.ipynb') => does('POST', `api/contents/${name}/checkpoints`),
  }
}

test('a document that is read is opened by somebody, unless its page has just been loaded', () => {
  const { loads, opens, passes } = page()
  loads()
  passes(20_000)
  expect(opens()).toBe('background open:restored')
  passes(minute)
  expect(opens()).toBe('interactive open:GET')
})

test('lists of files, and what a document is like, are read by the page itself', () => {
  const kinds = ['?content=1&hash=0', '?type=directory&content=1', '?type=file&content=0', '?type=notebook']
  const seen = kinds.map((query) =>
    requestSight('jupyterlab', { ...asked, method: 'GET', rest: 'api/contents/a', query }),
  )
  expect(new Set(seen.map(({ class: is }) => is))).toEqual(new Set(['background']))
})

test('a document that is read by a page of which nothing is known may be one that is restored', () => {
  const { opens, passes } = page()
  expect(opens()).toBe('unknown open:GET')
  passes(10 * minute)
  expect(opens()).toBe('unknown open:GET')
})

test('a notebook that is saved may have been saved by itself; any other file is saved by hand', () => {
  const { saves } = page()
  expect(saves('a.txt')).toBe('interactive contents:PUT')
  for (let turn = 0; turn < 3; turn += 1) expect(saves()).toBe('unknown contents:autosave')
})

test('a checkpoint right after that tells that somebody saved it; any other one tells nothing', () => {
  const { loads, saves, checkpoints, passes } = page()
  expect(checkpoints()).toBe('background checkpoint:POST')
  saves()
  loads()
  expect(checkpoints()).toBe('background checkpoint:POST')
  saves()
  expect(checkpoints('b.ipynb')).toBe('background checkpoint:POST')
  expect(checkpoints()).toBe('interactive contents:save')
  passes(minute)
  expect(checkpoints()).toBe('background checkpoint:POST')
})
