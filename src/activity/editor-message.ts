/**
 * What VS Code's workbench says to its server, by the names of what it calls. Two protocols are within: calls of channels (files, terminals) in its
 * connection for management, and calls of the extension host in a connection of its own. An open workbench calls all the time by itself: it looks at
 * files, writes down its own state, and answers what extensions ask.
 */
import { editorKinds } from './editor-stream.ts'
import { type Sight, sight } from './sight.ts'
import { isTerminalReport } from './terminal-message.ts'

/** Bytes of a body that are enough: names, and where a file is that is written. */
export const editorHead = 512

const protocol = sight('background', 'editor:protocol')
const answer = sight('background', 'editor:answer')
const housekeeping = sight('background', 'editor:housekeeping')
const ownFiles = sight('background', 'editor:own-files')
const unreadable = sight('unknown', 'editor:unreadable')
const other = sight('unknown', 'editor:other')

/** Of a message of the browser. */
export function editorSight(kind: number, head: Buffer): Sight {
  if (kind !== editorKinds.regular) return protocol
  const first = head[0] ?? 0
  if (head.length <= 1) return answer
  if (first === arrayType) return channelSight(head)
  if (first >= 1 && first <= mostRequests) return hostSight(head)
  // Replies, acknowledgements and cancellations; JSON, by which a connection begins. Signs of one byte are above.
  return first <= mostHostKinds || first === openingBrace ? answer : unreadable
}

const openingBrace = 0x7b

// ── Channels: a list [kind, number, channel, name], then the argument; each value a type, a length in groups of seven bits, and its bytes.

const stringType = 1
const arrayType = 4
const numberType = 6
const call = 100
/** Cancels a call, listens to events and stops doing so. */
const mostCallKinds = 103
/** What a connection begins with. */
const initialize = 200

/** Files are written and made by people; where they are says whether by the workbench for itself. */
const changesFiles: ReadonlySet<string> = new Set([
  'writeFile',
  'delete',
  'rename',
  'copy',
  'cloneFile',
  'mkdir',
  'write',
])
/** Below the folder of its user: what it keeps of windows, caches, backups and history. */
const ofWorkbench =
  /\/User(?:\/profiles\/[^/"\\]+)?\/(?:workspaceStorage|globalStorage|caches|Backups|History|logs|machineid|[\w-]+\.json|snippets|prompts|sync|agent-plugins)/
/** Channels of which nothing is a person's doing. */
const quietChannels: ReadonlySet<string> = new Set([
  ...['telemetry', 'telemetryAppender', 'logger', 'remoteextensionsenvironment', 'remoteExtensionsScanner', 'request'],
  ...[
    'userDataProfiles',
    'extensionhostdebugservice',
    'extensionGalleryManifest',
    'mcpManagement',
    'mcpGalleryManifest',
  ],
  ...['NativeMcpDiscoveryHelper', 'languagePacks', 'externalTerminal', 'storage', 'update', 'credentials', 'url'],
])

function channelSight(head: Buffer): Sight {
  const reader = new ValueReader(head)
  const length = reader.listLength()
  const kind = reader.number()
  if (length === undefined || kind === undefined) return unreadable
  if (kind === initialize || (kind > call && kind <= mostCallKinds)) return protocol
  reader.number()
  const [channel, name] = [reader.text(), reader.text()]
  if (kind !== call || channel === undefined || name === undefined) return unreadable
  return callSight(channel, name, head.subarray(reader.at))
}

function callSight(channel: string, name: string, argument: Buffer): Sight {
  if (channel === 'remoteFilesystem') return fileSight(name, argument)
  if (channel === 'remoteterminal') return terminalSight(name, argument)
  if (channel === 'extensions') {
    return /^(?:install|uninstall|update|toggle)/.test(name) ? sight('interactive', 'editor:extensions') : housekeeping
  }
  // Of agents: it asks whether they are there.
  if (channel === 'agentHostProxy') return agentSight(name, argument)
  return quietChannels.has(channel) ? housekeeping : other
}

function fileSight(name: string, argument: Buffer): Sight {
  if (!changesFiles.has(name)) return housekeeping
  return ofWorkbench.test(argument.toString('latin1')) ? ownFiles : sight('interactive', 'editor:file')
}

function terminalSight(name: string, argument: Buffer): Sight {
  if (name === '$input') {
    const reader = new ValueReader(argument)
    reader.listLength()
    reader.number()
    const typed = reader.text()
    return typed !== undefined && isTerminalReport(typed)
      ? sight('background', 'editor:terminal-report')
      : sight('interactive', 'editor:terminal')
  }
  // So much output has arrived.
  if (name === '$acknowledgeDataEvent') return sight('busy', 'editor:terminal-output')
  return name === '$createProcess' ? sight('interactive', 'editor:terminal') : housekeeping
}

const agentHousekeeping =
  /"method":"(?:ping|dispatchAction|set\w*|initialize|initialized|reconnect|subscribe|unsubscribe|list\w*|get\w*|fetch\w*|resource\w*|auth\w*)"/

function agentSight(name: string, argument: Buffer): Sight {
  if (name !== 'send') return housekeeping
  const text = argument.toString('latin1')
  return agentHousekeeping.test(text) || !text.includes('"method":') ? housekeeping : sight('unknown', 'editor:agent')
}

/** Values at the beginning of bytes; `undefined` for what is another, or not there. */
class ValueReader {
  at = 0
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  listLength(): number | undefined {
    return this.#begins(arrayType) ? this.#size() : undefined
  }

  number(): number | undefined {
    return this.#begins(numberType) ? this.#size() : undefined
  }

  text(): string | undefined {
    const length = this.#begins(stringType) ? this.#size() : undefined
    if (length === undefined || this.at + length > this.#bytes.length) return undefined
    const begin = this.at
    this.at += length
    return this.#bytes.toString('utf8', begin, this.at)
  }

  #begins(type: number): boolean {
    if (this.#bytes[this.at] !== type) return false
    this.at += 1
    return true
  }

  #size(): number | undefined {
    let size = 0
    for (let shift = 0; shift <= 28; shift += 7) {
      const byte = this.#bytes[this.at]
      if (byte === undefined) return undefined
      this.at += 1
      size |= (byte & 0x7f) << shift
      if ((byte & 0x80) === 0) return size
    }
    return undefined
  }
}

// ── The extension host: a kind, a number in 32 bits, which object, the length of the method's name, the name, arguments.

/** Requests are the first of the kinds; the others answer, acknowledge or cancel. */
const mostRequests = 4
const mostHostKinds = 12
const methodAt = 7

/**
 * Called because of what somebody did in an editor, in a terminal, or with a command. Documents change by programs as well, and logs that are shown
 * grow, so the text that is typed is seen by the cursor that it moves.
 */
const gestures: ReadonlySet<string> = new Set([
  ...['$acceptTabOperation', '$acceptTerminalInteraction', '$executeContributedCommand', '$executeCells'],
  ...['$provideCompletionItems', '$resolveCompletionItem', '$provideHover', '$provideSignatureHelp', '$invokeAgent'],
  ...['$provideDefinition', '$provideReferences', '$provideRenameEdits', '$provideOnTypeFormattingEdits'],
])
const cursor = '$acceptEditorPropertiesChanged'
const byHand = /"source":"(?:keyboard|mouse)"/
/** Files are searched for what somebody typed; by their names they are also looked for by the workbench and by extensions. */
const search = '$provideTextSearchResults'
const inSearchView = '"_reason":"searchView"'
/** By how their names begin: what is told of the workbench's own state, and what it asks of extensions by itself. */
const byItself =
  /^\$(?:accept|on|set|init|activate|get|has|is|provide|resolve|release|register|unregister|update|enable|refresh|dispose|delete|check|test|load|start|handle|run|list|invalidate|read|stat|will|prepare|fetch|notify|change|record|log|extension|clear|participate)/i

function hostSight(head: Buffer): Sight {
  const length = head[methodAt - 1] ?? 0
  const method = head.toString('latin1', methodAt, methodAt + length)
  if (!method.startsWith('$') || method.length < length) return unreadable
  if (gestures.has(method)) return sight('interactive', `editor:${method}`)
  if (method === cursor && (head.length === editorHead || byHand.test(head.toString('latin1')))) {
    return sight('interactive', 'editor:cursor')
  }
  if (method === search && head.includes(inSearchView)) return sight('interactive', 'editor:search')
  return byItself.test(method) ? housekeeping : other
}
