/** SSH certificates for whom, for what, or of what kind of key none may be made. */
import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { publicKeyLine, publicKeyOf, type SshPublicKey } from '#ssh/public-key.ts'
import { readStrings } from '#ssh/wire.ts'
import type { SshCertificateView, SshHostCertificateView } from '#surface/ssh-messages.ts'
import { api, paths } from '#surface/urls.ts'
import { bearerOf } from '#test/support/command-line-login.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { tokenGiver } from '#test/support/pod-token.ts'
import { scriptedReviewer } from '#test/support/scripted-reviewer.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { callApi, cookieFor, declare, share } from '../behaviour/gateway/scene.ts'

type Fields = Readonly<Record<string, string>>
const publicKey = publicKeyLine(newKey())
const nb = { namespace: 'team', name: 'nb' }

function newKey(): SshPublicKey {
  return publicKeyOf(generateKeyPairSync('ed25519').publicKey)
}

async function ask(world: World, headers: Fields, request: object) {
  const answer = await plainRequest(world.origin + paths.sshCertificate, {
    method: 'POST',
    headers: { ...headers, 'Content-Type': 'application/json' },
    body: JSON.stringify({ publicKey, workspaces: [nb], ...request }),
  })
  return { status: answer.status, retryAfter: answer.headers['retry-after'], body: JSON.parse(answer.body) }
}

/** Behind nonce, key, serial and type: the key id; then the principals, and behind the times the options and extensions. */
function contentOf({ certificate }: Pick<SshCertificateView, 'certificate'>) {
  const [type = '', base64 = ''] = certificate.split(' ')
  const blob = Buffer.from(base64, 'base64')
  const fixed = 4 + type.length + 4 + 32 + 4 + 32 + 8 + 4
  const keyIdLength = blob.readUInt32BE(fixed)
  const keyId = blob.subarray(fixed + 4, fixed + 4 + keyIdLength).toString()
  const at = fixed + 4 + keyIdLength
  const principals = readStrings(blob.subarray(at + 4, at + 4 + blob.readUInt32BE(at))) ?? []
  const times = at + 4 + blob.readUInt32BE(at)
  const [critical, extensions] = readStrings(blob.subarray(times + 16)) ?? []
  return {
    keyId,
    principals: principals.map(String),
    from: Number(blob.readBigUInt64BE(times)) * 1000,
    until: Number(blob.readBigUInt64BE(times + 8)) * 1000,
    critical: String(critical),
    extensions: (readStrings(extensions ?? Buffer.alloc(0)) ?? []).map(String).filter((name) => name !== ''),
  }
}

function refusals(world: World): readonly string[] {
  return world.audit.flatMap((event) => (event.event === 'deny' ? [`${event.reason} ${event.workspace}`] : []))
}

describe('an SSH certificate', () => {
  test('#130 is good for those workspaces alone that were asked for and are permitted; forbidden and unknown ones are left out alike', async () => {
    await using world = await createWorld()
    await declare(world, { name: 'nb', owner: 'alice' })
    await declare(world, { name: 'other', owner: 'alice' })
    await declare(world, { name: 'bobs', owner: 'bob' })
    const alice = await bearerOf(world, 'alice')
    const workspaces = [nb, { ...nb, name: 'bobs' }, { ...nb, name: 'none' }, { ...nb, name: '../nb' }, nb]
    const { status, body } = await ask(world, alice, { workspaces })
    expect(status).toBe(200)
    const content = contentOf(body)
    expect(content.principals).toEqual(['ws:team/nb'])
    expect(body.workspaces).toEqual([{ ...nb, alias: 'nb.team.localhost.gatehouse' }])
    expect(content.critical).toBe('')
    expect(content.extensions).toEqual(['permit-port-forwarding', 'permit-pty'])
    expect(content.keyId).toMatch(/^user=alice session=[a-z2-7]+$/)
    expect(content.until - content.from).toBe(12 * 60_000)
    expect(Math.abs(content.until - Date.now() - 10 * 60_000)).toBeLessThan(30_000)
    const { serial } = body
    expect(world.audit.filter((event) => event.event === 'ssh-certificate')).toEqual([
      expect.objectContaining({ user: 'alice', workspaces: ['team/nb'], serial, fingerprint: expect.any(String) }),
    ])
    expect(refusals(world)).toEqual(
      expect.arrayContaining(['ssh:no-grant team/bobs', 'ssh:no-such-workspace team/none']),
    )
    const nothing = await Promise.all(
      ['bobs', 'none'].map((name) => ask(world, alice, { workspaces: [{ ...nb, name }] })),
    )
    expect(nothing.map((answer) => [answer.status, answer.body.code])).toEqual([
      [404, 'not_found'],
      [404, 'not_found'],
    ])
    expect(contentOf((await ask(world, alice, { agentForwarding: true })).body).extensions).toContain(
      'permit-agent-forwarding',
    )
  })

  test('#131 of a share is for its ports and connection types, ends when it ends, and none is made once it is revoked', async () => {
    await using world = await createWorld()
    await declare(world, { name: 'nb', owner: 'alice' })
    const [alice, bob] = [await world.as('alice'), await bearerOf(world, 'bob')]
    const grantees = [{ kind: 'User', name: 'bob' }] as const
    const expiresAt = new Date(Date.now() + 120_000).toISOString()
    const shares = [
      { grantees, access: 'connect', connectionTypes: ['web-ui'] },
      { grantees, access: 'connect', ports: ['http'] },
    ] as const
    for (const input of shares) {
      const { name } = await share(world, alice, nb, input)
      expect((await ask(world, bob, {})).status).toBe(404)
      await callApi(world, alice, 'DELETE', api.share(nb, name))
    }
    const { name } = await share(world, alice, nb, {
      grantees,
      access: 'connect',
      connectionTypes: ['ssh-remote'],
      expiresAt,
    })
    const { status, body } = await ask(world, bob, {})
    expect(status).toBe(200)
    expect(contentOf(body).until).toBe(Math.floor(Date.parse(expiresAt) / 1000) * 1000)
    expect((await ask(world, bob, { connectionType: 'vscode-remote' })).status).toBe(404)
    expect((await ask(world, bob, { connectionType: 'web-ui' })).status).toBe(422)
    await callApi(world, alice, 'DELETE', api.share(nb, name))
    expect((await ask(world, bob, {})).status).toBe(404)
  })

  test('#131 is none for whom RBAC refuses it, however fresh an earlier yes, and none while RBAC says nothing', async () => {
    const reviewer = scriptedReviewer()
    await using world = await createWorld({ reviewer })
    await declare(world, { name: 'nb', owner: 'alice' })
    const alice = await bearerOf(world, 'alice')
    expect((await ask(world, alice, {})).status).toBe(200)
    reviewer.says = 'denied'
    expect((await ask(world, alice, {})).status).toBe(404)
    reviewer.says = 'unreachable'
    expect((await ask(world, alice, {})).status).toBe(503)
  })

  test('#132 is made for a command line that is logged in: for no cookie, nobody, or a session that was ended anywhere', async () => {
    await using world = await createWorld()
    await declare(world, { name: 'nb', owner: 'alice' })
    const browser = await world.as('alice')
    await browser.open(`${world.origin}/`)
    const cookie = { ...cookieFor(browser, world.origin), Origin: world.origin }
    expect(await ask(world, cookie, {})).toMatchObject({ status: 403, body: { code: 'cli_session_needed' } })
    expect((await ask(world, {}, {})).status).toBe(401)
    const alice = await bearerOf(world, 'alice')
    const before = await ask(world, alice, {})
    expect(before.status).toBe(200)
    const other = await world.replica()
    const ended = world.open.identities.sessions.find(({ spec }) => spec.kind === 'cli')
    for (const { metadata } of ended)
      expect((await callApi({ origin: world.origin }, browser, 'DELETE', api.session(metadata.name))).status).toBe(204)
    for (const port of [world.port, other.port]) {
      const answer = await plainRequest(world.origin + paths.sshCertificate, {
        ...{ method: 'POST', port },
        headers: { ...alice, 'Content-Type': 'application/json' },
        body: JSON.stringify({ publicKey, workspaces: [nb] }),
      })
      expect(answer.status).toBe(401)
    }
  })

  test('#133 is made of an Ed25519 key that is whole, and of nothing else', async () => {
    await using world = await createWorld()
    await declare(world, { name: 'nb', owner: 'alice' })
    const alice = await bearerOf(world, 'alice')
    const others = ['ssh-rsa', 'ecdsa-sha2-nistp256', 'sk-ssh-ed25519@openssh.com', 'ssh-ed25519-cert-v01@openssh.com']
    for (const type of others) {
      const told = await ask(world, alice, { publicKey: `${type} AAAAB3NzaC1yc2EAAAADAQABAAAA` })
      expect(told).toMatchObject({ status: 422, body: { code: 'key_type_refused' } })
    }
    for (const broken of [publicKey.slice(0, -4), `${publicKey}\n${publicKey}`, 'ssh-ed25519', '', 'ssh-ed25519 !']) {
      expect(await ask(world, alice, { publicKey: broken })).toMatchObject({
        status: 422,
        body: { code: 'key_malformed' },
      })
    }
    for (const request of [
      { publicKey: 7 },
      { workspaces: [] },
      { principals: ['ws:team/bobs'] },
      { validFor: '1y' },
    ]) {
      expect((await ask(world, alice, request)).status).toBe(400)
    }
    expect(world.audit.some((event) => event.event === 'ssh-certificate')).toBe(false)
  })

  test('#134 is not made without end: sixty a minute for one identity, whatever its sessions', async () => {
    await using world = await createWorld()
    await declare(world, { name: 'nb', owner: 'alice' })
    const [one, two] = [await bearerOf(world, 'alice'), await bearerOf(world, 'alice')]
    const answers = await Promise.all(Array.from({ length: 70 }, (_, at) => ask(world, at % 2 === 0 ? one : two, {})))
    const refused = answers.filter(({ status }) => status === 429)
    expect(refused.length).toBeGreaterThanOrEqual(5)
    expect(answers.filter(({ status }) => status === 200).length).toBe(70 - refused.length)
    expect(refused[0]?.body.code).toBe('too_many_certificates')
    expect(refused[0]?.retryAfter).toMatch(/^[1-9][0-9]?$/)
    expect((await ask(world, await bearerOf(world, 'bob'), {})).status).toBe(404)
  })
})

describe('a certificate of a host', () => {
  test('#135 is for a pod that runs for a workspace now, by a token of its own for this address alone', async () => {
    const giver = await tokenGiver()
    await using world = await createWorld({ podTokens: giver.podTokens })
    await world.workspace({ name: 'nb', owner: 'alice' })
    const uid = world.open.workspaces.directory.get(nb)?.instance?.instanceUid ?? ''
    const aud = world.origin + paths.sshHostCertificate
    const pod = { namespace: 'team', uid }
    const certify = async (token: string | undefined, request: object = { publicKey }) => {
      const answer = await plainRequest(world.origin + paths.sshHostCertificate, {
        method: 'POST',
        headers: {
          'Content-Type': 'application/json',
          ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify(request),
      })
      if (answer.status === 200) given.push(JSON.parse(answer.body))
      return answer.status
    }
    const given: SshHostCertificateView[] = []
    const token = await giver.tokenOf(pod, { aud })
    expect(await certify(token)).toBe(200)
    // For an hour, and it says of which pod: one that is gone vouches for nothing much longer.
    const content = given.map(contentOf)
    expect(content).toMatchObject([{ keyId: `host=nb.team.localhost.gatehouse pod=${uid}` }])
    expect(content.map(({ from, until }) => until - from)).toEqual([62 * 60_000])
    expect(world.audit).toContainEqual(expect.objectContaining({ event: 'ssh-certificate', role: 'host', pod: uid }))
    const past = Math.floor(Date.now() / 1000) - 10
    const wrong = {
      audience: await giver.tokenOf(pod, { aud: `${aud}x` }),
      'two audiences': await giver.tokenOf(pod, { aud: [aud, 'other'] }),
      'no audience': await giver.tokenOf(pod, {}),
      issuer: await giver.tokenOf(pod, { aud, iss: 'https://kubernetes.default.svc.cluster.locaL' }),
      expired: await giver.tokenOf(pod, { aud, exp: past }),
      early: await giver.tokenOf(pod, { aud, nbf: past + 3_600 }),
      'another pod': await giver.tokenOf({ namespace: 'team', uid: 'another' }, { aud }),
      'another namespace': await giver.tokenOf({ namespace: 'other', uid }, { aud }),
      'no pod': await giver.tokenOf(pod, { aud, 'kubernetes.io': { namespace: 'team' } }),
      'an account of elsewhere': await giver.tokenOf(pod, { aud, sub: 'system:serviceaccount:other:default' }),
      'another key': await (await tokenGiver()).tokenOf(pod, { aud }),
      'a changed signature': `${token.slice(0, -4)}AAAA`,
      'no token': undefined,
      'no form': 'x.y.z',
    }
    for (const [what, one] of Object.entries(wrong)) expect(await certify(one), what).toBe(401)
    expect(await certify(token, { publicKey: 'ssh-rsa AAAA' })).toBe(422)
    expect(await certify(token, { publicKey, principals: ['other.team.localhost.gatehouse'] })).toBe(400)
    world.runtime.tell(nb, { phase: 'failed' })
    await world.until(async () => (await certify(token)) === 401, 'its pod has failed')
    expect(refusals(world)).toEqual(
      expect.arrayContaining(['ssh-host:token_audience undefined', 'ssh-host:no-such-pod undefined']),
    )
  })

  test("#135 is nobody's where there are no pods", async () => {
    await using world = await createWorld()
    const answer = await plainRequest(world.origin + paths.sshHostCertificate, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: 'Bearer x.y.z' },
      body: JSON.stringify({ publicKey }),
    })
    expect(answer.status).toBe(404)
  })
})
