import { expect, test } from 'vitest'
import { editorHead, editorSight } from '#activity/editor-message.ts'
import { editorKinds } from '#activity/editor-stream.ts'
import { channelCall, channelValue, fileName, hostRequest } from '#test/support/editor-messages.ts'

const see = (body: Buffer) => editorSight(editorKinds.regular, body.subarray(0, editorHead))
const user = '/home/coder/.local/share/code-server/User'
const content = { content: 'x'.repeat(10_000) }
const selections = (source: string) => [
  'vs.editor.ICodeEditor:2,$model3',
  { options: null, selections: { selections: [{ startLineNumber: 2, startColumn: 1 }], source }, visibleRanges: null },
]

test.each([
  ['a file that is written', channelCall('remoteFilesystem', 'writeFile', [fileName('/home/coder/a.py'), content])],
  ['a file that is deleted', channelCall('remoteFilesystem', 'delete', [fileName('/home/coder/a.py')])],
  ['a file in a folder named User', channelCall('remoteFilesystem', 'writeFile', [fileName('/srv/User/a/b.py')])],
  ['a terminal that is typed in', channelCall('remoteterminal', '$input', [1, 'ls\r'])],
  ['a terminal that is opened', channelCall('remoteterminal', '$createProcess', [{}])],
  ['an extension that is installed', channelCall('extensions', 'install', [{}])],
  ['a cursor that is moved', hostRequest('$acceptEditorPropertiesChanged', selections('keyboard'))],
  ['a place that is clicked', hostRequest('$acceptEditorPropertiesChanged', selections('mouse'))],
  ['a command', hostRequest('$executeContributedCommand', ['git.commit'])],
  ['a tab that is opened', hostRequest('$acceptTabOperation', [{}])],
  ['a word that is completed', hostRequest('$provideCompletionItems', [1])],
])('%s is a person’s doing', (_, body) => {
  expect(see(body).class).toBe('interactive')
})

test.each([
  ['looking at a file', channelCall('remoteFilesystem', 'stat', [fileName('/home/coder/a.py')])],
  ['reading a file', channelCall('remoteFilesystem', 'readFile', [fileName('/home/coder/a.py')])],
  [
    'the state of its window',
    channelCall('remoteFilesystem', 'writeFile', [fileName(`${user}/workspaceStorage/1/state.json`), content]),
  ],
  ['its history', channelCall('remoteFilesystem', 'writeFile', [fileName(`${user}/History/1/entries.json`), content])],
  ['its cache', channelCall('remoteFilesystem', 'mkdir', [fileName(`${user}/caches/CachedConfigurations`)])],
  ['telemetry', channelCall('telemetry', 'logTelemetry', { eventName: 'x' })],
  ['asking for an agent', channelCall('agentHostProxy', 'send', { jsonrpc: '2.0', id: 1, method: 'ping' })],
  ['what it tells an agent', channelCall('agentHostProxy', 'send', { jsonrpc: '2.0', method: 'setClientTools' })],
  ['a terminal that says where its cursor is', channelCall('remoteterminal', '$input', [1, '\u001b[1;1R'])],
  ['the size of a terminal', channelCall('remoteterminal', '$resize', [1, 80, 24])],
  ['listening to an event', channelValue([102, 1, 'extensions', 'onDidInstallExtensions'])],
  ['the beginning of a connection', channelValue([200])],
  ['a cursor that a program moves', hostRequest('$acceptEditorPropertiesChanged', selections('api'))],
  ['a document that a program changes', hostRequest('$acceptModelChanged', [fileName('/home/coder/log.txt'), {}])],
  ['a file that has changed', hostRequest('$onFileEvent', [{}])],
  ['ports that were found', hostRequest('$onDidTunnelsChange', [])],
  ['a window that is looked at', hostRequest('$onDidChangeWindowActive', [true])],
  ['an answer to an extension', Buffer.from([9, 0, 0, 1, 0, 0, 0, 0, 2, 0x5b, 0x5d])],
  ['a sign of one byte', Buffer.from([1])],
  ['an acknowledgement', Buffer.from([5, 0, 0, 1, 0])],
  ['what the extension host begins with', Buffer.from('{"commit":"1"}')],
])('%s is done by the workbench itself', (_, body) => {
  expect(see(body).class).toBe('background')
})

test('output that arrives in a terminal is work', () => {
  expect(see(channelCall('remoteterminal', '$acknowledgeDataEvent', [1, 5000])).class).toBe('busy')
})

test('every kind but the regular one is the protocol’s own', () => {
  for (const kind of Object.values(editorKinds)) {
    if (kind !== editorKinds.regular) expect(editorSight(kind, Buffer.alloc(0)).class).toBe('background')
  }
})

test('what nobody knows, or can read, can’t be told; names of others are not repeated', () => {
  expect(see(channelCall('<b>mine', 'call', [])).source).toBe('editor:other')
  expect(see(hostRequest('$<b>mine', [])).source).toBe('editor:other')
  for (const body of [
    Buffer.from([98, 99]),
    Buffer.from([4, 4]),
    Buffer.from([4, 4, 6, 100]),
    Buffer.from([1, 0, 0]),
    Buffer.from([99, 0]),
  ])
    expect(see(body)).toEqual({ class: 'unknown', source: 'editor:unreadable' })
})
