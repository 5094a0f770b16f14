/**
 * What an answered request says of its workspace: a table for each kind of app, by method and path. Polls, assets, failures and whatever
 * a page does by itself are nobody's doing.
 */
import type { AppProfile } from './profile.ts'
import { type ActivityClass, type Sight, sight } from './sight.ts'

export interface AskedRequest {
  readonly method: string
  /** The path behind the public prefix and its slash: `api/kernels`. */
  readonly rest: string
  /** With its question mark; empty where there is none. */
  readonly query: string
  /** Sec-Fetch-Mode, Sec-Fetch-Dest. */
  readonly mode: string | undefined
  readonly destination: string | undefined
  /** `Sec-Fetch-User: ?1`: a person's gesture led here. */
  readonly isGesture: boolean
}

export interface AnsweredRequest extends AskedRequest {
  /** Of the answer. */
  readonly status: number
}

interface Rule {
  /** Any if absent. */
  readonly methods?: ReadonlySet<string>
  readonly path: RegExp
  /** Any if absent. */
  readonly query?: RegExp
  readonly class: ActivityClass
  readonly source: string
}

const unsafe: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])
const post: ReadonlySet<string> = new Set(['POST'])
const get: ReadonlySet<string> = new Set(['GET'])

/** Ports of the app's machine that the app itself leads to: another app, of which nothing is known. */
const innerApp = /^\/(?:proxy|absproxy|proxy\/absolute)\/(?:[^/]+:)?\d+(?:\/|$)/

const jupyterlab: readonly Rule[] = [
  // Made by the page when a document is opened or restored, and beside every save.
  { methods: post, path: /^\/api\/contents\/.+\/checkpoints$/, class: 'background', source: 'checkpoint' },
  { methods: unsafe, path: /^\/api\/contents(?:\/|$)/, class: 'interactive', source: 'contents' },
  // A restored tab tells its kernel's session where it is; a rename changes contents as well.
  { methods: new Set(['PATCH']), path: /^\/api\/sessions\//, class: 'background', source: 'sessions' },
  { methods: unsafe, path: /^\/api\/sessions(?:\/|$)/, class: 'interactive', source: 'sessions' },
  { methods: unsafe, path: /^\/api\/kernels(?:\/|$)/, class: 'interactive', source: 'kernels' },
  { methods: unsafe, path: /^\/api\/terminals(?:\/|$)/, class: 'interactive', source: 'terminals' },
  // A document that is opened or restored is looked up by its path.
  { methods: new Set(['PUT']), path: /^\/api\/(?:collaboration|yjs)\//, class: 'background', source: 'collaboration' },
  // The page keeps its layout and settings by itself.
  { methods: unsafe, path: /^\/lab\/api\//, class: 'background', source: 'layout' },
  { methods: post, path: /^\/api\/security\/csp-report$/, class: 'background', source: 'report' },
  // A document is read as a whole when it is opened. Lists of files are read all the time, and say no type of a file.
  {
    methods: get,
    path: /^\/api\/contents\/./,
    query: /^(?=.*[?&]type=(?:file|notebook)(?:&|$))(?=.*[?&]content=1(?:&|$))/,
    class: 'interactive',
    source: 'open',
  },
  { methods: get, path: /^/, class: 'background', source: 'poll' },
]

const codeEditor: readonly Rule[] = [
  { methods: get, path: /^/, class: 'background', source: 'poll' },
  // The page asks for the key by which it keeps secrets.
  { methods: post, path: /^\/mint-key$/, class: 'background', source: 'key' },
]

/** By the names of RStudio's remote procedures. */
const rstudio: readonly Rule[] = [
  { methods: post, path: /^\/events\/get_events$/, class: 'background', source: 'events' },
  {
    methods: post,
    path: /^\/rpc\/(?:console_input|process_write_stdin)$/,
    class: 'interactive',
    source: 'rpc:console',
  },
  {
    methods: post,
    path: /^\/rpc\/(?:save_document|save_document_diff|get_completions|new_document|interrupt)$/,
    class: 'interactive',
    source: 'rpc',
  },
  {
    methods: post,
    path: /^\/rpc\/(?:client_init|set_client_state|set_workbench_metrics|log|ping|check_for_external_edit|console_follow_mode)$/,
    class: 'background',
    source: 'rpc',
  },
  { methods: post, path: /^\/upload$/, class: 'interactive', source: 'upload' },
  { methods: get, path: /^/, class: 'background', source: 'poll' },
]

const streamlit: readonly Rule[] = [
  {
    methods: new Set(['PUT', 'POST']),
    path: /^\/_stcore\/upload_file(?:\/|$)/,
    class: 'interactive',
    source: 'upload',
  },
  { methods: new Set(['DELETE']), path: /^\/_stcore\/upload_file(?:\/|$)/, class: 'background', source: 'upload' },
  { methods: get, path: /^/, class: 'background', source: 'poll' },
]

const tables: Readonly<Record<AppProfile, readonly Rule[]>> = {
  jupyterlab,
  'code-editor': codeEditor,
  rstudio,
  streamlit,
  generic: [],
}

/** Where a page's parts go, and what its scripts run in: none of them is asked for by a person. */
const parts: ReadonlySet<string> = new Set([
  ...['audio', 'audioworklet', 'font', 'image', 'manifest', 'paintworklet', 'report', 'script', 'serviceworker'],
  ...['sharedworker', 'style', 'track', 'video', 'worker', 'xslt', 'json', 'webidentity'],
])

const notOk = sight('background', 'http:not-ok')
const asking = sight('background', 'http:asking')
const untracked = sight('background', 'http:untracked')
const part = sight('background', 'http:part')
const unknownGet = sight('unknown', 'http:GET')

export function requestSight(profile: AppProfile, request: AnsweredRequest): Sight {
  const { method, query, status, mode, destination = 'empty', isGesture } = request
  if (status < 200 || status >= 300) return notOk
  if (method === 'HEAD' || method === 'OPTIONS') return asking
  if (isUntracked(query)) return untracked
  if (mode === 'navigate' && !isOwnFrame(profile, destination)) return navigation(method, isGesture)
  if (mode === 'no-cors' || parts.has(destination)) return part
  const known = profile === 'generic' ? undefined : ruleFor(tables[profile], request)
  if (known) return sight(known.class, `${known.source}:${method}`)
  return method === 'GET' ? unknownGet : sight('unknown', `http:${knownMethod(method)}`)
}

/**
 * What is not answered for long is worked on, such as a model that is trained: whatever may change something, and whatever is asked of an app of which
 * nothing is known. Of one that is known it is said by its table which requests wait for news.
 */
export function waitingSight(profile: AppProfile, request: AskedRequest): Sight {
  const { method, query } = request
  if (method === 'HEAD' || method === 'OPTIONS') return asking
  if (isUntracked(query)) return untracked
  const known = ruleFor(tables[profile], request)
  if (known?.class === 'background') return sight('background', `${known.source}:${method}`)
  return sight('busy', `waiting:${knownMethod(method)}`)
}

/** A workbench loads its extensions' pages into frames, whatever somebody did last: Chromium says of them what it says of their page. */
function isOwnFrame(profile: AppProfile, destination: string): boolean {
  return profile === 'code-editor' && destination === 'iframe'
}

function isUntracked(query: string): boolean {
  return query !== '' && /[?&]no_track_activity(?:[=&]|$)/.test(query)
}

/** A form that is sent is a gesture, whatever the browser says of it; a page that loads itself again is none. */
function navigation(method: string, isGesture: boolean): Sight {
  return isGesture || method !== 'GET' ? sight('interactive', 'navigation') : sight('background', 'navigation:reload')
}

function ruleFor(table: readonly Rule[], { method, rest, query }: AskedRequest): Rule | undefined {
  const path = `/${rest}`
  if (innerApp.test(path)) return undefined
  return table.find(
    (rule) => (rule.methods?.has(method) ?? true) && rule.path.test(path) && (rule.query?.test(query) ?? true),
  )
}

/** What somebody invented is not repeated. */
function knownMethod(method: string): string {
  return method === 'GET' || unsafe.has(method) ? method : 'other'
}
