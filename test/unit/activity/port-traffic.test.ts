import { expect, test } from 'vitest'
import { trafficAt } from '#activity/port-traffic.ts'
import { workspace } from '#test/support/objects.ts'
import { portsOf } from '#workspace/workspace.ts'

const editor = { name: 'editor', port: 8888 }
const app = { name: 'app', port: 8501 }

/** At the last one of these ports. */
function trafficOf(appType: string, ...ports: readonly object[]) {
  const of = workspace({ spec: { appType, ports } })
  const all = portsOf(of)
  return trafficAt({ workspace: of, ports: all }, all.at(-1) ?? all[0])
}

test.each([
  ['an app beside the IDE', 'jupyterlab', [editor, app], 'streamlit', false],
  ['one by its name', 'jupyterlab', [editor, { name: 'streamlit', port: 9000 }], 'streamlit', false],
  ['one that is to count', 'jupyterlab', [editor, { ...app, activity: 'count' }], 'streamlit', true],
  ['one that is not to', 'jupyterlab', [editor, { ...app, activity: 'ignore' }], 'streamlit', false],
  ['an app that the workspace is for', 'streamlit', [app], 'streamlit', true],
  ['one that is not to count', 'streamlit', [{ ...app, activity: 'ignore' }], 'streamlit', false],
  ['the IDE', 'jupyterlab', [editor], 'jupyterlab', true],
  ['one that is not to count', 'jupyterlab', [{ ...editor, activity: 'ignore' }], 'jupyterlab', false],
  ['another IDE beside it', 'jupyterlab', [editor, { name: 'code-server', port: 9000 }], 'code-editor', true],
  ['what is not known to be an app', 'jupyterlab', [editor, { name: 'app', port: 9000 }], 'generic', true],
  ['that is not to count', 'jupyterlab', [editor, { name: 'app', port: 9000, activity: 'ignore' }], 'generic', false],
])('%s, of %s, at the last of %j: %s, and whether it is activity: %s', (_, appType, ports, profile, isActivity) => {
  expect(trafficOf(appType, ...ports)).toEqual({ profile, isActivity })
})

test('a port of SSH, which no workspace needs to declare, counts', () => {
  const of = workspace({ spec: { appType: 'jupyterlab', ports: [editor, app] } })
  const ssh = { name: 'ssh', port: 2222, expose: false, path: 'preserve' } as const
  expect(trafficAt({ workspace: of, ports: portsOf(of) }, ssh)).toEqual({ profile: 'generic', isActivity: true })
})
