import { expect, test } from 'vitest'
import type { ShareView, WorkspaceView } from '#surface/messages.ts'
import { sharingPage } from '#ui/pages/share.ts'

const view: WorkspaceView = {
  ...{ namespace: 'team', name: 'nb', displayName: '', owner: 'alice', mine: true, grant: 'owner' },
  ...{ state: 'Running', reason: '', message: '', steps: [], ports: [], url: 'https://nb.example.test/' },
  can: { open: true, start: false, stop: true, share: true, logs: true },
}

function shareBy(...connectionTypes: string[]): ShareView {
  return {
    ...{ name: 'one', createdBy: 'alice', createdAt: '2026-01-01T00:00:00Z', access: 'connect', connectionTypes },
    grantees: [{ kind: 'User', name: 'bob' }],
    workspaces: ['nb'],
    status: { accepted: true, reason: 'OwnerGranted', message: '' },
  }
}

test('the form offers the kinds of connection that let somebody in by themselves: an IDE comes as SSH', () => {
  const page = sharingPage({ view, shares: [] }).body.toString()
  const offered = [...page.matchAll(/name="type" value="([^"]*)"> ([^<]*)/g)].map(([, type, text]) => [type, text])
  expect(offered).toEqual([
    ['web-ui', 'a browser'],
    ['ssh-remote', 'SSH: a shell and desktop IDEs'],
    ['port-forward', 'forwarded ports'],
  ])
})

test('a share says by what it is, also by a kind that the form does not offer', () => {
  const page = sharingPage({ view, shares: [shareBy('ssh-remote', 'cursor-remote')] }).body.toString()
  expect(page).toContain('may open it, only by SSH, cursor-remote')
})
