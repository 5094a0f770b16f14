import { expect, test } from 'vitest'
import { type AnsweredRequest, requestSight, waitingSight } from '#activity/http-activity.ts'
import type { AppProfile } from '#activity/profile.ts'

const script = { status: 200, mode: 'cors', destination: 'empty', isGesture: false }
const ask = (profile: AppProfile, method: string, path: string, more: Partial<AnsweredRequest> = {}) => {
  const [rest = '', query] = path.slice(1).split('?', 2)
  return requestSight(profile, { ...script, method, rest, query: query === undefined ? '' : `?${query}`, ...more })
}

test.each([
  ['jupyterlab', 'PUT', '/api/contents/a.ipynb?1700000000'],
  ['jupyterlab', 'POST', '/api/contents/folder'],
  ['jupyterlab', 'DELETE', '/api/contents/a.ipynb'],
  ['jupyterlab', 'POST', '/api/sessions'],
  ['jupyterlab', 'POST', '/api/kernels/1-2/restart'],
  ['jupyterlab', 'POST', '/api/kernels/1-2/interrupt'],
  ['jupyterlab', 'POST', '/api/terminals'],
  ['rstudio', 'POST', '/rpc/console_input'],
  ['rstudio', 'POST', '/upload'],
  ['streamlit', 'PUT', '/_stcore/upload_file/s/f'],
] as const)('%s: %s %s is a person’s doing', (profile, method, path) => {
  expect(ask(profile, method, path).class).toBe('interactive')
})

test.each([
  ['jupyterlab', 'GET', '/api/kernels?1700000000'],
  ['jupyterlab', 'GET', '/api/sessions'],
  ['jupyterlab', 'GET', '/api/terminals'],
  ['jupyterlab', 'GET', '/api/contents/?content=1'],
  ['jupyterlab', 'GET', '/api/status'],
  ['jupyterlab', 'POST', '/api/contents/a.ipynb/checkpoints'],
  ['jupyterlab', 'PUT', '/api/collaboration/session/a.ipynb'],
  ['jupyterlab', 'PATCH', '/api/sessions/1-2'],
  ['jupyterlab', 'GET', '/lsp/status'],
  ['jupyterlab', 'PUT', '/lab/api/workspaces/default'],
  ['jupyterlab', 'PUT', '/lab/api/settings/x'],
  ['code-editor', 'GET', '/healthz'],
  ['code-editor', 'GET', '/stable-1/vscode-remote-resource?path=x'],
  ['code-editor', 'POST', '/mint-key'],
  ['rstudio', 'POST', '/events/get_events'],
  ['rstudio', 'POST', '/rpc/client_init'],
  ['streamlit', 'GET', '/_stcore/health'],
] as const)('%s: %s %s is programs among themselves', (profile, method, path) => {
  expect(ask(profile, method, path).class).toBe('background')
})

const profiles = ['jupyterlab', 'code-editor', 'rstudio', 'streamlit', 'generic'] as const

test.each(profiles)(
  '%s: what fails, is only looked at, is not to be tracked or is a part of a page is nobody’s doing',
  (profile) => {
    for (const status of [302, 304, 401, 403, 404, 424, 500, 503]) {
      expect(ask(profile, 'PUT', '/api/contents/a', { status }).class).toBe('background')
      expect(ask(profile, 'GET', '/', { status, mode: 'navigate', isGesture: true }).class).toBe('background')
    }
    for (const method of ['HEAD', 'OPTIONS']) expect(ask(profile, method, '/x').class).toBe('background')
    for (const query of ['?no_track_activity=1', '?x=1&no_track_activity', '?no_track_activity=1&x']) {
      expect(ask(profile, 'POST', `/api/contents/a${query}`).class).toBe('background')
    }
    expect(ask(profile, 'GET', '/x', { mode: 'no-cors' }).class).toBe('background')
    for (const destination of ['script', 'style', 'image', 'font', 'serviceworker', 'worker', 'manifest']) {
      expect(ask(profile, 'GET', '/x', { destination }).class).toBe('background')
    }
  },
)

test.each(profiles)(
  '%s: a page that somebody opens or sends is a gesture, one that loads itself again is none',
  (profile) => {
    const page = { mode: 'navigate', destination: 'document' }
    expect(ask(profile, 'GET', '/', { ...page, isGesture: true })).toEqual({
      class: 'interactive',
      source: 'navigation',
    })
    expect(ask(profile, 'POST', '/form', page).class).toBe('interactive')
    expect(ask(profile, 'GET', '/', page).class).toBe('background')
  },
)

test('what an app of no known kind is asked can’t be told; neither can what passes through a known one to another', () => {
  expect(ask('generic', 'GET', '/data').class).toBe('unknown')
  expect(ask('generic', 'POST', '/data').class).toBe('unknown')
  expect(ask('generic', 'GET', '/data', { mode: undefined, destination: undefined }).class).toBe('unknown')
  for (const path of ['/proxy/8501/x', '/absproxy/3000', '/proxy/absolute/3000/x', '/proxy/localhost:8501/']) {
    expect(ask('jupyterlab', 'GET', path).class).toBe('unknown')
    expect(ask('code-editor', 'GET', path).class).toBe('unknown')
  }
  expect(ask('jupyterlab', 'POST', '/my-extension').class).toBe('unknown')
})

test('names that somebody made up are not repeated in what is told', () => {
  expect(ask('generic', 'BREW', '/x').source).toBe('http:other')
})

const wait = (profile: AppProfile, method: string, path: string) => {
  const [rest = '', query] = path.slice(1).split('?', 2)
  return waitingSight(profile, { ...script, method, rest, query: query === undefined ? '' : `?${query}` })
}

test.each([
  ['generic', 'POST', '/train'],
  ['generic', 'GET', '/report'],
  ['generic', 'PURGE', '/cache'],
  ['jupyterlab', 'POST', '/api/kernels/1-2/restart'],
  ['jupyterlab', 'POST', '/my-extension/export'],
  ['jupyterlab', 'GET', '/proxy/8050/report'],
  ['rstudio', 'POST', '/rpc/execute_code'],
  ['code-editor', 'POST', '/export'],
] as const)('%s: %s %s that is not answered for long is worked on', (profile, method, path) => {
  expect(wait(profile, method, path).class).toBe('busy')
})

test.each([
  ['generic', 'HEAD', '/train'],
  ['generic', 'OPTIONS', '/train'],
  ['generic', 'GET', '/report?no_track_activity=1'],
  ['jupyterlab', 'GET', '/api/contents'],
  ['jupyterlab', 'PUT', '/lab/api/workspaces/default'],
  ['rstudio', 'POST', '/events/get_events'],
  ['code-editor', 'GET', '/stable-1/x'],
] as const)('%s: %s %s that is not answered for long waits for news', (profile, method, path) => {
  expect(wait(profile, method, path).class).toBe('background')
})

test('a method that somebody invented is not repeated while it waits', () => {
  expect(wait('generic', 'MINE', '/x').source).toBe('waiting:other')
})
