/** Messages to a language server (JSON-RPC 2.0, Language Server Protocol 3.17), by their method. */
import { stringsOf } from './json-head.ts'
import { type Sight, sight } from './sight.ts'

/** Bytes of a message that are enough to read its method, which comes early. */
export const languageServerHead = 512

const wanted: ReadonlySet<string> = new Set(['method'])

const gestures: ReadonlySet<string> = new Set(
  ['didChange', 'completion', 'signatureHelp', 'hover', 'rename', 'definition', 'references', 'formatting'].map(
    (name) => `textDocument/${name}`,
  ),
)
/** At the start, when a document is opened or shown, and in answer to what the server asks. */
const housekeeping: ReadonlySet<string> = new Set([
  ...['initialize', 'initialized', 'shutdown', 'exit'],
  ...['didOpen', 'didClose', 'didSave', 'documentSymbol', 'documentHighlight', 'codeAction', 'codeLens'].map(
    (name) => `textDocument/${name}`,
  ),
  ...['workspace/didChangeConfiguration', 'workspace/didChangeWatchedFiles', 'workspace/symbol'],
])

/** Of what a browser sent. */
export function languageServerSight(head: Buffer): Sight {
  const text = head.toString()
  const method = stringsOf(text, wanted).get('method')
  if (method === undefined) {
    const isAnswer = /^\s*\{\s*"jsonrpc"\s*:\s*"2\.0"\s*,\s*"(?:id|result|error)"/.test(text)
    return isAnswer ? sight('background', 'language-server:answer') : sight('unknown', 'language-server:unreadable')
  }
  if (gestures.has(method)) return sight('interactive', `language-server:${method}`)
  if (housekeeping.has(method) || method.startsWith('$/')) return sight('background', 'language-server:housekeeping')
  return sight('unknown', 'language-server:other')
}
