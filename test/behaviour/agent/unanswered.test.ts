/** An agent that was asked to hold a stream, and was not waited for: it is told that nobody comes for it. */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { type Frame, holdProtocol, linkProtocol } from '#link/frames.ts'
import { resumeProtocol } from '#resume/frames.ts'
import { shareFor, unshare } from '#test/behaviour/tunnel/shares.ts'
import { agentScene } from '#test/support/agent-scene.ts'
import { askTunnel, logIn } from '#test/support/tunnel-scene.ts'
import { streamHeader, tunnelProtocol } from '#tunnel/protocol.ts'

const patience = { timeout: 15_000 }

test('a stream that is asked for when its access ends, or whose agent takes too long to answer, is ended there; one that goes on is not', async () => {
  await using scene = await agentScene({
    authorshipOf: () => 'ManifestGranted',
    settings: (settings) => ({ ...settings, limits: { ...settings.limits, connectTimeout: 1_000 } }),
  })
  const link = await scene.link(await scene.token(), {}, [holdProtocol, linkProtocol])
  if (typeof link === 'number') throw new Error(`refused with ${link}`)
  using _ = link
  const holds: (Frame & { kind: 'hold' })[] = []
  link.ws.on('message', () => {
    const heard = link.heard.at(-1)
    if (heard?.kind === 'open') link.say({ kind: 'opened', id: heard.id })
    if (heard?.kind === 'hold') holds.push(heard)
    if (heard?.kind === 'hold' && heard.aim === 'end') link.say({ kind: 'refused', id: heard.id, why: 'gone' })
  })
  await expect.poll(() => scene.isReady(), patience).toBe(true)
  await shareFor(scene, 'for-bob')
  const bob = await logIn(scene.world, 'bob')
  const ask = (aim: string) => {
    const headers = { [streamHeader]: `${aim} ${randomBytes(32).toString('base64url')}` }
    return askTunnel(scene.world, scene.ref, { bearer: bob, protocols: [resumeProtocol, tunnelProtocol], headers })
  }
  const aims = () => holds.map(({ aim }) => aim)
  expect(await ask('resume')).toMatchObject({ kind: 'refused' })
  expect(await ask('open')).toMatchObject({ kind: 'refused' })
  await expect.poll(aims, patience).toEqual(['resume', 'open', 'end'])
  expect(holds[2]?.key.equals(holds[1]?.key ?? Buffer.alloc(0))).toBe(true)

  const asked = ask('open').catch((error: unknown) => error)
  await expect.poll(aims, patience).toEqual(['resume', 'open', 'end', 'open'])
  await unshare(scene, 'for-bob')
  await asked
  await expect.poll(aims, patience).toEqual(['resume', 'open', 'end', 'open', 'end'])
  expect(holds[4]?.key.equals(holds[3]?.key ?? Buffer.alloc(0))).toBe(true)
})
