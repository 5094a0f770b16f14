import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  connectKernel,
  type JupyterClient,
  kernelProtocol,
  openJupyter,
  startKernel,
  typeIntoTerminal,
} from '#test/support/jupyter-client.ts'
import { notebook, startWorkspace } from '#test/support/laptop-site.ts'
import { type LaptopWorld, openLaptopWorld } from '#test/support/laptop-world.ts'
import { describeWith } from '#test/support/real-parts.ts'

describeWith('jupyter', 'a real JupyterLab behind the gateway', () => {
  describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
    let world: LaptopWorld
    let lab: JupyterClient

    beforeAll(async () => {
      world = await openLaptopWorld({ mode, samples: ['alice-notebook'] })
      const alice = await world.as('alice')
      await startWorkspace(world, alice, notebook)
      lab = await openJupyter(alice, world.url(notebook))
    }, 90_000)

    afterAll(() => world[Symbol.asyncDispose]())

    test('[SP2.1] a kernel made over REST runs 1+1 over its WebSocket and says 2', async () => {
      const id = await startKernel(lab)
      expect(JSON.parse((await lab.ask('GET', 'api/kernels')).body)).toMatchObject([{ id }])
      const kernel = await connectKernel(lab, id, 'v1')
      using socket = kernel.socket
      const answers = await kernel.execute('1+1')
      expect(answers.find(({ type }) => type === 'execute_result')).toMatchObject({
        channel: 'iopub',
        content: { data: { 'text/plain': '2' } },
      })
      expect(socket.isOpen()).toBe(true)
      expect((await lab.ask('DELETE', `api/kernels/${id}`)).status).toBe(204)
    })

    test('the subprotocol of kernels is kept; without it the older form is spoken', async () => {
      const id = await startKernel(lab)
      for (const [form, protocol] of [
        ['v1', kernelProtocol],
        ['legacy', ''],
      ] as const) {
        const kernel = await connectKernel(lab, id, form)
        using socket = kernel.socket
        expect(socket.ws.protocol).toBe(protocol)
        const answers = await kernel.execute(`print('in the form of ${form}')`)
        // A kernel that was held up sends a line and its end apart.
        const texts = answers.filter(({ type }) => type === 'stream').map(({ content }) => content.text)
        expect(texts.join('')).toBe(`in the form of ${form}\n`)
      }
      await lab.ask('DELETE', `api/kernels/${id}`)
    })

    test('[SP2.2] what is typed into a terminal comes back over its WebSocket, with what it did', async () => {
      const screen = await typeIntoTerminal(lab, 'echo six times seven is $((6*7))', /seven is 42/)
      expect(screen).toContain('echo six times seven is $((6*7))')
    })
  })
})
